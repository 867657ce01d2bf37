"""Checks of a manifest against its prepared data, made before the job takes a GPU."""

from posefleet_api.dataset import Storage
from posefleet_api.job import Spec
from posefleet_trainer.dataset.pose_subspaces import fit_pose_spaces
from posefleet_trainer.dataset.prepared import Prepared, keypoint_numbers
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.open import find_file

#: The project's store has just answered, so a longer wait for a store is not worth it.
_PATIENCE_SECONDS = 20.0


def check_job(spec: Spec, prepared: Prepared) -> list[str]:
    """Check that the manifest and the prepared data fit together; return warnings about what will be left out.

    Raises:
        InvalidInput: the manifest refers to a keypoint that does not exist, a PCA loss has too few labels or pictures
            of several sizes, no video is as long as a clip, or the weights or the checkpoint do not exist.
    """
    for pair in spec.dataset.skeleton:
        keypoint_numbers(pair, prepared.keypoints, "dataset.skeleton")
    warnings = _check_sizes(spec, prepared)
    fit_pose_spaces(spec, prepared)
    _check_exists(spec.model.weights, spec.storage, "model.weights")
    _check_exists(spec.checkpoint.resume_from, spec.storage, "checkpoint.resumeFrom")
    return warnings + _check_clip_length(prepared, spec.training.clip_length)


def _check_sizes(spec: Spec, prepared: Prepared) -> list[str]:
    """Check that all frames and videos have one size if a PCA loss is on, and warn otherwise.

    The subspace of a PCA loss is fitted to the labelled frames in their pixels, and poses of all frames and videos
    are compared with it in theirs.
    """
    sizes = {frame.path: (frame.width, frame.height) for frame in prepared.frames}
    videos = [*prepared.clip_videos, *prepared.predict_videos]
    sizes |= {video.source.path: (video.width, video.height) for video in videos}
    (one, (width, height)), *others = sizes.items()
    other = next((path for path, size in others if size != (width, height)), None)
    if other is None:
        return []
    differ = f"{one} has {width}x{height} pixels and {other} {'{}x{}'.format(*sizes[other])}"
    chosen = " and ".join(f"losses.{name}" for name in spec.losses.on if name.startswith("pca"))
    if chosen:
        raise InvalidInput(
            f"{differ}, and {chosen} would compare poses of both in pixels; scale the pictures (with their labels) and "
            f"the videos to one size, leave out those of another size, or set the weight of {chosen} to 0"
        )
    return [
        f"{differ}: each is scaled to model.imageSize by itself, so that the network may see one animal in two sizes"
    ]


def _check_clip_length(prepared: Prepared, clip_length: int) -> list[str]:
    """Check that a video is at least ``clip_length`` frames long, and warn about the shorter ones."""
    short = [video for video in prepared.clip_videos if video.frames < clip_length]
    if short and len(short) == len(prepared.clip_videos):
        longest = max(video.frames for video in short)
        raise InvalidInput(
            f"no video of dataset.videos is as long as a clip: the longest has {longest} frames and "
            f"training.clipLength is {clip_length}; add longer videos or shorten the clips"
        )
    return [
        f"{video.source.path} has {video.frames} frames, fewer than training.clipLength ({clip_length}), and is not "
        "used for the unsupervised losses"
        for video in short
    ]


def _check_exists(uri: str, storage: Storage | None, field: str) -> None:
    """Check that the file at ``uri`` exists; anything else than a URI, such as the name of weights, passes."""
    if "://" in uri:
        find_file(uri, storage, field, patience_seconds=_PATIENCE_SECONDS)
