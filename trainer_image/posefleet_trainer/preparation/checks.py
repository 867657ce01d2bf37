"""What a job will need later, asked for before a GPU is taken."""

from posefleet_api.job import Spec
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.pose_subspaces import fit_pose_spaces
from posefleet_trainer.dataset.prepared import Prepared, resolve
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.open import open_file

#: The store has just answered, so that there is no need to wait long for it.
_PATIENCE_SECONDS = 20.0


def check_job(context: Context, prepared: Prepared) -> list[str]:
    """Compare the manifest with the prepared data; sentences on what will be passed over.

    Raises:
        InvalidInput: a keypoint that is not there, too few labels or several sizes for a PCA loss, no video as long as
            a clip, weights or a checkpoint that do not exist.
    """
    spec = context.job.spec
    for pair in spec.dataset.skeleton:
        resolve(pair, prepared.keypoints, "dataset.skeleton")
    warnings = _check_sizes(spec, prepared)
    fit_pose_spaces(spec, prepared)
    _check_exists(context, spec.model.weights, "model.weights")
    _check_exists(context, spec.checkpoint.resume_from, "checkpoint.resumeFrom")
    return warnings + _check_clip_length(prepared, spec.training.clip_length)


def _check_sizes(spec: Spec, prepared: Prepared) -> list[str]:
    """A PCA loss, fitted on labelled frames, measures all frames and videos, each in its own pixels."""
    sizes = {frame.path: (frame.width, frame.height) for frame in prepared.frames}
    videos = [*prepared.clip_videos, *prepared.predict_videos]
    sizes |= {video.source.path: (video.width, video.height) for video in videos}
    (one, (width, height)), *others = sizes.items()
    other = next((path for path, size in others if size != (width, height)), None)
    if other is None:
        return []
    differ = f"{one} has {width}x{height} pixels and {other} {'{}x{}'.format(*sizes[other])}"
    given = {"pcaSingleView": spec.losses.pca_single_view, "pcaMultiView": spec.losses.pca_multi_view}
    chosen = " and ".join(f"losses.{name}" for name, loss in given.items() if loss is not None)
    if chosen:
        raise InvalidInput(
            f"{differ}, and {chosen} would compare poses of both in pixels; scale the pictures (with their labels) and "
            f"the videos to one size, leave out those of another size, or remove {chosen}"
        )
    return [
        f"{differ}: each is scaled to model.imageSize by itself, so that the network may see one animal in two sizes"
    ]


def _check_clip_length(prepared: Prepared, clip_length: int) -> list[str]:
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


def _check_exists(context: Context, uri: str, field: str) -> None:
    if "://" not in uri:
        return
    store, key = open_file(uri, context.job.spec.storage, patience_seconds=_PATIENCE_SECONDS)
    if store.find(key) is None:
        raise InvalidInput(f"{field}: {uri} does not exist; upload it or correct the URI")
