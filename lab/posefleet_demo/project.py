"""The data of the demo: a synthetic project or the user's own folder, uploaded to a bucket."""

import csv
import sys
from collections import defaultdict
from pathlib import Path

from minio import Minio

from posefleet_lab.cluster import Cluster

_LABELS = "CollectedData.csv"
_VIEW_WORDS = frozenset(
    {"top", "bot", "bottom", "side", "front", "back", "mirror", "direct", "view0", "view1", "view2"}
)
#: With fewer body parts in all views, similar names are probably a coincidence.
_LEAST_PARTS = 3


class NotAProject(ValueError):
    """A folder is not a Lightning Pose project."""


def synthesize(cluster: Cluster, target: Path, seed: int) -> None:
    """Write a synthetic Lightning Pose project, with the true pose in every frame, in a process of ``cluster``."""
    command = [
        sys.executable,
        "-m",
        "posefleet_synthesis.main",
        str(target),
        "--seed",
        str(seed),
        "--labels",
        "60",
    ]
    cluster.start_program("synthesize", command).wait()


def check_project(folder: Path) -> None:
    """Check that ``folder`` has the labels of a Lightning Pose project, before minutes are spent on uploading it.

    Raises:
        NotAProject: with what is missing.
    """
    if not folder.is_dir():
        raise NotAProject(f"{folder} is not a folder")
    if not (folder / _LABELS).is_file():
        raise NotAProject(f"{folder} has no {_LABELS}; a Lightning Pose project has one at its top")


def upload_folder(client: Minio, folder: Path, bucket: str, prefix: str = "") -> None:
    """Upload every file of ``folder`` that a job may read, with ``prefix`` before its key."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _is_excluded(path.relative_to(folder)):
            client.fput_object(bucket, prefix + path.relative_to(folder).as_posix(), str(path))


def _is_excluded(inside: Path) -> bool:
    # The true poses serve to measure the result, so training must not be able to read them.
    return inside.parts[0] == "truth" or any(part.startswith(".") for part in inside.parts)


def keypoints_of(labels: Path) -> list[str]:
    """Return the names of the keypoints of a labels file, in order, or none if the file has no second row."""
    with labels.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        next(rows, [])
        return list(dict.fromkeys(next(rows, [])[1:]))


def views_by_name(keypoints: list[str]) -> list[list[str]]:
    """Group keypoints by the view at the end of their names: ``paw1_top`` and ``paw1_bot`` are views of one paw.

    Returns:
        one list of keypoints for each view, with the same body parts in the same order, or an empty list if fewer than
        two views share at least three body parts.
    """
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
