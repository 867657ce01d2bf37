"""The fingerprint of a training: a hash of everything that determines the trained weights."""

import hashlib

from posefleet_api.job import Spec
from posefleet_trainer.dataset.prepared import Prepared


def training_fingerprint(spec: Spec, prepared: Prepared) -> str:
    """Return the SHA-256 of all inputs that determine the trained weights, except for the number of ranks.

    A checkpoint or model with the same fingerprint belongs to the same training. ``checkpoint.resumeFrom`` is
    represented by its URI and not by its content, since its file may be deleted while the job continues.

    Fields that a later version adds do not change the fingerprint as long as they have their defaults. The version of
    the network's code is not part of it, so that a job can say that its checkpoints are of another version.
    """
    parts = [
        spec.dataset.split.choices(),
        spec.model.choices(),
        spec.losses.choices(),
        spec.training.choices(),
        ",".join(prepared.keypoints),
        prepared.frames_archive.sha256,
        *(frame.choices() for frame in prepared.frames),
        *(video.proxy.sha256 for video in prepared.clip_videos if video.proxy),
    ]
    if spec.checkpoint.resume_from:
        parts.append(spec.checkpoint.resume_from)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
