"""The cache of a node: is there room for what training and predicting read."""

import shutil
from pathlib import Path

from posefleet_api.job import Spec
from posefleet_trainer.dataset.fetched import training_files
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.errors import InvalidInput, PreflightFailed
from posefleet_trainer.preflight.findings import SpaceFinding


def probe_space(directory: Path, limit_bytes: int, spec: Spec, prepared: Prepared) -> SpaceFinding:
    """Compare the cache's limit and its disk with the prepared data.

    Raises:
        InvalidInput: the limit is too low on any node.
        PreflightFailed: this node's disk is too full.
    """
    training = sum(file.size_bytes for file in training_files(spec, prepared))
    largest = max((video.source.size_bytes for video in prepared.predict_videos), default=0)
    needed = max(training, largest)
    if needed > limit_bytes:
        what = "training reads" if training > largest else "the largest video has"
        raise InvalidInput(
            f"the cache of a node may hold {limit_bytes:,} bytes and {what} {needed:,}; raise resources.cachePerNode"
        )
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free + _held(directory / "files")
    if needed > free:
        raise PreflightFailed(
            f"the disk under {directory} has {free:,} bytes for the cache and {needed:,} are needed; free some on this "
            "node, or keep pods off it by podTemplate.nodeSelector"
        )
    return SpaceFinding(free_bytes=free, limit_bytes=limit_bytes, needed_bytes=needed)


def _held(files: Path) -> int:
    """Bytes on the disk that lie in the cache already."""
    held = 0
    for path in files.glob("*"):
        try:
            held += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return held
