"""Files of a volume, replaced all at once as a kubelet replaces them.

The files lie in a directory of their own; ``..data`` points to it, and each file of the volume is a
link through ``..data``. One rename of that link shows all new files together.
"""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_DATA = "..data"


@dataclass(frozen=True)
class ProjectedFile:
    """A file's content and mode."""

    content: bytes
    mode: int = 0o644


def write_files(directory: Path, files: Mapping[str, ProjectedFile]) -> bool:
    """Make the volume show exactly ``files``, by path relative to it; return whether anything changed."""
    directory.mkdir(parents=True, exist_ok=True)
    if _current(directory) == dict(files):
        return False
    number = time.monotonic_ns()
    version = directory / f"..v{number}"
    for name, file in files.items():
        path = version / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode)
    version.mkdir(exist_ok=True)
    old = directory / _DATA
    before = old.resolve() if old.is_symlink() else None
    _point(directory / _DATA, version.name)
    _link_names(directory, {name.split("/")[0] for name in files})
    if before:
        shutil.rmtree(before, ignore_errors=True)
    return True


def _point(link: Path, target: str) -> None:
    fresh = link.with_name("..data_new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


def _link_names(directory: Path, names: set[str]) -> None:
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.is_symlink() and entry.name not in names:
            entry.unlink()
    for name in names:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"{_DATA}/{name}")


def _current(directory: Path) -> dict[str, ProjectedFile] | None:
    data = directory / _DATA
    if not data.is_symlink():
        return None
    return {
        str(path.relative_to(data)): ProjectedFile(path.read_bytes(), path.stat().st_mode & 0o777)
        for path in data.rglob("*")
        if path.is_file()
    }
