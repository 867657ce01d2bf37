"""The fingerprint of a training: a hash of everything that determines the trained weights."""

import hashlib

from posefleet_api.job import Spec
from posefleet_trainer.dataset.prepared import Prepared


def training_fingerprint(spec: Spec, prepared: Prepared) -> str:
    """Return the SHA-256 of all inputs that determine the trained weights, except for the number of ranks.

    A checkpoint or model with the same fingerprint belongs to the same training. ``checkpoint.resumeFrom`` is
    represented by its URI and not by its content, since its file may be deleted while the job continues.
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
