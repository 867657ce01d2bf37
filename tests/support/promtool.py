"""promtool, from the PATH or built by the lab."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path


@cache
def promtool() -> str:
    """The path of promtool."""
    if found := shutil.which("promtool"):
        return found
    command = [str(Path(sys.executable).with_name("posefleet-lab")), "tool", "promtool"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def run_promtool(*arguments: str) -> tuple[bool, str]:
    """Whether promtool is content, and what it says."""
    done = subprocess.run([promtool(), *arguments], capture_output=True, text=True, check=False, timeout=120)
    return done.returncode == 0, done.stdout + done.stderr
