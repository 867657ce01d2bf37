"""Predicting the labelled frames: how far the model is from what people said."""

from collections.abc import Callable, Sequence

import numpy as np

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.frame_archive import FrameArchive
from posefleet_trainer.dataset.pose_subspaces import PoseSpaces, label_points
from posefleet_trainer.dataset.prepared import LabelledFrame, Prepared
from posefleet_trainer.dataset.split import split_frames
from posefleet_trainer.gang.collectives import from_all
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.prediction.inference import predict_frames
from posefleet_trainer.prediction.results import FrameResults, Poses, pca_errors, pixel_error
from posefleet_trainer.prediction.videos import share
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.video.decode import resize


def predict_labelled_frames(
    context: Context,
    prepared: Prepared,
    model: TrainedModel,
    spaces: PoseSpaces,
    cache: NodeCache,
    done: Callable[[int], None],
) -> FrameResults:
    """The labelled frames of every set; all ranks call it together and get the same."""
    stored = prepared.frames_archive
    path = cache.fetch(context.prepared, stored.key, stored.size_bytes, stored.sha256)
    archive = FrameArchive(path)
    try:
        mine = share(len(prepared.frames), context.rank.index, context.rank.world)
        poses = Poses.joined(from_all(_predict(model, archive, prepared.frames[mine.start : mine.stop], done)))
    finally:
        archive.close()
        cache.release(path)
    spec = context.job.spec
    return FrameResults(
        frames=prepared.frames,
        sets=split_frames(prepared.frames, spec.dataset.split, spec.training.seed),
        poses=poses,
        pixel_error=pixel_error(poses.points, label_points(prepared.frames, len(prepared.keypoints))),
        single_view=pca_errors(spaces.single_view, poses),
        multi_view=pca_errors(spaces.multi_view, poses),
    )


def _predict(
    model: TrainedModel, archive: FrameArchive, frames: Sequence[LabelledFrame], done: Callable[[int], None]
) -> Poses:
    image = model.image_size
    pictures = (resize(archive.image(frame.path), (image.height, image.width)) for frame in frames)
    in_image = predict_frames(model, [pictures], image, done)
    # Labelled frames need not have one size.
    points = [
        between(points, image, Grid(frame.height, frame.width))
        for frame, points in zip(frames, in_image.points, strict=True)
    ]
    return Poses(np.stack(points), in_image.confidence) if points else in_image
