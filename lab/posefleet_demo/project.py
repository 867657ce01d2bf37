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
#: Fewer body parts seen in all views than this are a coincidence of names.
_LEAST_PARTS = 3


class NotAProject(ValueError):
    """A folder that is no Lightning Pose project."""


def synthesize(cluster: Cluster, target: Path, seed: int) -> None:
    """Write a synthetic Lightning Pose project with the truth of every frame; the work ends with ``cluster``."""
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
    """Refuse at once what prepare would refuse after minutes of uploading.

    Raises:
        NotAProject: says what is missing.
    """
    if not folder.is_dir():
        raise NotAProject(f"{folder} is no folder")
    if not (folder / _LABELS).is_file():
        raise NotAProject(f"{folder} has no {_LABELS}; a Lightning Pose project has one at its top")


def upload_folder(client: Minio, folder: Path, bucket: str, prefix: str = "") -> None:
    """Put every file that a job may read into ``bucket``."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not _stays_here(path.relative_to(folder)):
            client.fput_object(bucket, prefix + path.relative_to(folder).as_posix(), str(path))


def _stays_here(inside: Path) -> bool:
    # The truth is for measuring the result and must not lie where the training could read it.
    return inside.parts[0] == "truth" or any(part.startswith(".") for part in inside.parts)


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
