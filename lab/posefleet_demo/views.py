"""Views of one animal in one frame, told by the keypoints' names: ``paw1_top`` and ``paw1_bot`` are one paw."""

import csv
from collections import defaultdict
from pathlib import Path

_VIEW_WORDS = frozenset(
    {"top", "bot", "bottom", "side", "front", "back", "mirror", "direct", "view0", "view1", "view2"}
)
#: Fewer body parts seen in all views than this are a coincidence of names.
_LEAST_PARTS = 3


def keypoints_of(labels: Path) -> list[str]:
    """The keypoints of a labels file, in their order; none if it is no labels file."""
    with labels.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        next(rows, [])
        return list(dict.fromkeys(next(rows, [])[1:]))


def views_by_name(keypoints: list[str]) -> list[list[str]]:
    """One list of keypoints a view, the same body parts in the same order; empty where names tell of no views."""
    views: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for keypoint in keypoints:
        part, _, view = keypoint.rpartition("_")
        if part and view.lower() in _VIEW_WORDS:
            views[view][part] = keypoint
    if len(views) < 2:
        return []
    shared = set.intersection(*(set(parts) for parts in views.values()))
    if len(shared) < _LEAST_PARTS:
        return []
    order = [part for part in next(iter(views.values())) if part in shared]
    return [[parts[part] for part in order] for parts in views.values()]
