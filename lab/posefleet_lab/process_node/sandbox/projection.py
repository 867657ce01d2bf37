"""Updates all files of a volume at the same moment, as a kubelet does.

Each version of the files has its own directory, to which the link ``..data`` points, and each file of the volume is a
link through ``..data``. Renaming a new link to ``..data`` replaces all files at once.
"""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_DATA = "..data"


@dataclass(frozen=True)
class ProjectedFile:
    """The content and mode of a file."""

    content: bytes
    mode: int = 0o644


def write_files(directory: Path, files: Mapping[str, ProjectedFile]) -> bool:
    """Make ``files``, by path relative to the volume, its only files. Returns whether anything changed."""
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
