"""The demo's data: a synthetic project, or the user's own folder, in a bucket."""

import sys
from pathlib import Path

from minio import Minio

from posefleet_lab.cluster import Cluster

_LABELS = "CollectedData.csv"


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
