"""Which files of a project folder are recordings, judged by their names."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

#: Extensions of the containers that cameras and laboratories' programs write.
CONTAINERS = frozenset({".avi", ".mp4", ".mov", ".mpg", ".mpeg", ".mkv", ".m4v", ".wmv", ".mts", ".webm"})
#: Videos with predictions drawn in, as DeepLabCut names them.
_RENDERED = ("*_labeled", "*DLC_*_full", "*_DLC_3D")


def recordings(files: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the recordings in ``videos/``, and the videos there that were rendered from them, both sorted."""
    videos = sorted(path for path in files if path.count("/") == 1 and path.startswith("videos/") and _is_video(path))
    rendered = [path for path in videos if any(fnmatchcase(PurePosixPath(path).stem, name) for name in _RENDERED)]
    return [path for path in videos if path not in rendered], rendered


def _is_video(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in CONTAINERS
