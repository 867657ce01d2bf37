"""What lies beside a checkpoint in the store and says whether it is whole."""

import hashlib
import re
from typing import Annotated

from pydantic import Field

from posefleet_api.base import ApiModel
from posefleet_api.job import Spec
from posefleet_trainer.dataset.prepared import Prepared

FOLDER = "checkpoints/"
LATEST_KEY = f"{FOLDER}latest.json"
_MANIFEST_KEY = re.compile(rf"{FOLDER}step-(\d{{9}})\.json")


class CheckpointManifest(ApiModel):
    """Written after the checkpoint's file, so that whoever finds it finds a whole file."""

    uri: str
    key: str
    """Inside the output folder."""
    step: Annotated[int, Field(ge=0)]
    """Optimizer steps that are in it."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the file's bytes."""
    bytes: Annotated[int, Field(ge=1)]
    time: str
    """When the file was complete in the store."""
    fingerprint: str
    """Of the training that it belongs to (``training_fingerprint``)."""


def checkpoint_key(step: int) -> str:
    """Where the checkpoint after ``step`` steps lies."""
    return f"{FOLDER}step-{step:09d}.ckpt"


def manifest_key(step: int) -> str:
    """Where its manifest lies."""
    return f"{FOLDER}step-{step:09d}.json"


def step_of_manifest(key: str) -> int | None:
    """The step of a manifest's key; None for other keys."""
    match = _MANIFEST_KEY.fullmatch(key)
    return int(match.group(1)) if match else None


def training_fingerprint(spec: Spec, prepared: Prepared) -> str:
    """SHA-256 of all that the trained weights are a function of, the number of ranks excepted.

    Of ``checkpoint.resumeFrom`` the URI counts: the file may go while the job that began with it goes on.
    """
    parts = [
        spec.dataset.split.to_json(),
        spec.model.to_json(),
        spec.losses.to_json(),
        spec.training.to_json(),
        ",".join(prepared.keypoints),
        prepared.frames_archive.sha256,
        *(frame.to_json() for frame in prepared.frames),
        *(video.proxy.sha256 for video in prepared.clip_videos if video.proxy),
    ]
    if spec.checkpoint.resume_from:
        parts.append(spec.checkpoint.resume_from)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
