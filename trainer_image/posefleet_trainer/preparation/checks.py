"""Checks of a manifest against its prepared data, made before the job takes a GPU."""

from pathlib import Path

from posefleet_api.job import Spec
from posefleet_trainer.dataset.pose_subspaces import different_sizes, fit_pose_spaces
from posefleet_trainer.dataset.prepared import Prepared, skeleton_of
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.open import fetch_file

#: The project's store has just answered, so a longer wait for a store is not worth it.
_PATIENCE_SECONDS = 20.0


def check_job(spec: Spec, prepared: Prepared, cache: NodeCache, hub_directory: Path) -> list[str]:
    """Check that the manifest and the prepared data fit together; return warnings about what will be left out.

    Args:
        spec: the manifest.
        prepared: the data that its project folder consists of.
        cache: of this node, for files that the manifest names.
        hub_directory: where weights of the public hub would be found that this node has already.

    Raises:
        InvalidInput: the manifest refers to a keypoint that does not exist, a PCA loss has too few labels or pictures
            of several sizes, no video is as long as a clip, or the weights or the checkpoint do not exist or do not fit
            the network.
        StoreUnreachable: a store or the public hub did not answer.
    """
    skeleton_of(spec.dataset.skeleton, prepared)
    spaces = fit_pose_spaces(spec, prepared)
    warnings = [spaces.left_out] if spaces.left_out else []
    if differ := different_sizes(prepared):
        warnings.append(
            f"{differ}: each is scaled to model.imageSize by itself, so that the network may see one animal in two "
            "sizes"
        )
    _check_weights(spec, prepared, cache, hub_directory)
    return warnings + _check_clip_length(prepared, spec.training.clip_length)


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


def _check_weights(spec: Spec, prepared: Prepared, cache: NodeCache, hub_directory: Path) -> None:
    """Check that the weights from which training starts exist, and fit the network of the manifest.

    The network is only built, for which torch is imported, if the manifest names a file. ``checkpoint.resumeFrom``
    replaces ``model.weights``, whose file must exist all the same.
    """
    model, resume_from = spec.model, spec.checkpoint.resume_from
    if "://" in model.weights:
        path = fetch_file(model.weights, spec.storage, "model.weights", cache, patience_seconds=_PATIENCE_SECONDS)
        from posefleet_trainer.models.coordinates import image_grid
        from posefleet_trainer.models.weights import file_weights

        file_weights(path, model.weights, model.backbone, image_grid(model))
        cache.release(path)
    if resume_from:
        path = fetch_file(resume_from, spec.storage, "checkpoint.resumeFrom", cache, patience_seconds=_PATIENCE_SECONDS)
        from posefleet_trainer.models.coordinates import image_grid
        from posefleet_trainer.models.network import PoseNetwork
        from posefleet_trainer.models.weights import load_given

        load_given(path, resume_from, PoseNetwork(model.backbone, image_grid(model), len(prepared.keypoints)))
        cache.release(path)
    elif model.weights == "imagenet":
        from posefleet_trainer.models.hub import check_hub

        check_hub(model.backbone, hub_directory, _PATIENCE_SECONDS)
