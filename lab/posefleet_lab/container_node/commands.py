"""Running the system's own programs: ip, iptables, ctr, umount."""

import os
import subprocess

from ..errors import LabError
from ..system_path import system_path

_SECONDS = 120.0


def run(*argv: str, timeout_seconds: float = _SECONDS) -> str:
    """Return what a program prints. Raises LabError with its errors, also when it hangs."""
    environment = {**os.environ, "PATH": system_path()}
    try:
        result = subprocess.run(
            argv, env=environment, capture_output=True, text=True, check=False, timeout=timeout_seconds
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(argv)}` gave no answer within {timeout_seconds:.0f} s") from None
    if result.returncode:
        raise LabError(f"`{' '.join(argv)}` failed: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def succeeds(*argv: str, timeout_seconds: float = _SECONDS) -> bool:
    """Tell whether a program ends with exit code 0."""
    try:
        run(*argv, timeout_seconds=timeout_seconds)
    except LabError:
        return False
    return True
