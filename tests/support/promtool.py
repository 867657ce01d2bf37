"""promtool, from the PATH or built by the lab."""

import subprocess
from functools import cache

from posefleet_lab.tools import binaries


@cache
def promtool() -> str:
    """The path of promtool."""
    return str(binaries.promtool())


def run_promtool(*arguments: str) -> tuple[bool, str]:
    """Whether promtool is content, and what it says."""
    done = subprocess.run([promtool(), *arguments], capture_output=True, text=True, check=False, timeout=120)
    return done.returncode == 0, done.stdout + done.stderr
