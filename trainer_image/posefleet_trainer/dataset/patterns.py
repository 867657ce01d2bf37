"""Patterns of files inside the project folder, such as ``videos/*.mp4``."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase


def matches(path: str, pattern: str) -> bool:
    """Whether ``pattern`` covers ``path``. ``*`` stays within one folder, ``**`` covers any number of folders."""
    return _segments_match(path.split("/"), pattern.split("/"))


def _segments_match(path: Sequence[str], pattern: Sequence[str]) -> bool:
    # One column of the table "does this tail of the pattern match that tail of the path", from the pattern's end.
    tail = [False] * len(path) + [True]
    for segment in reversed(pattern):
        longer = [False] * (len(path) + 1)
        longer[-1] = segment == "**" and tail[-1]
        for place in range(len(path) - 1, -1, -1):
            if segment == "**":
                longer[place] = tail[place] or longer[place + 1]
            else:
                longer[place] = tail[place + 1] and fnmatchcase(path[place], segment)
        tail = longer
    return tail[0]


def select(paths: Iterable[str], patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """The paths that any pattern covers, sorted, and the patterns that cover none."""
    known = sorted(paths)
    found = {pattern: [path for path in known if matches(path, pattern)] for pattern in patterns}
    selected = sorted({path for covered in found.values() for path in covered})
    return selected, [pattern for pattern in patterns if not found[pattern]]
