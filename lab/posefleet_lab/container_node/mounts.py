"""What is mounted below a directory, and its end."""

import shutil
from pathlib import Path

from ..errors import LabError
from .commands import succeeds

_ROUNDS = 5


def mounted_below(directory: Path) -> list[str]:
    """Return the mount points in or below a directory, the latest first."""
    prefix = str(directory.resolve())
    points = [_unescape(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in reversed(points) if point == prefix or point.startswith(f"{prefix}/")]


def unmount_below(directory: Path) -> None:
    """Unmount everything in or below a directory. Raises LabError for what stays."""
    for attempt in range(_ROUNDS):
        for point in mounted_below(directory):
            succeeds("umount", *(["--lazy"] if attempt else []), point)
    if left := mounted_below(directory):
        raise LabError(f"cannot unmount {', '.join(left)}; find who uses it with `fuser -vm PATH`")


def remove_tree(directory: Path) -> None:
    """Delete a directory; never what is mounted below it, for which it raises LabError."""
    if not directory.exists():
        return
    if left := mounted_below(directory):
        raise LabError(f"{directory} is kept: still mounted below it are {', '.join(left)}")
    shutil.rmtree(directory, ignore_errors=True)


def _unescape(path: str) -> str:
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
