"""Prediction of the labelled frames, whose labels tell how accurate the model is."""

from collections.abc import Callable, Sequence

import numpy as np

from posefleet_trainer.context import Rank
from posefleet_trainer.dataset.frame_archive import FrameArchive
from posefleet_trainer.dataset.pose_subspaces import PoseSpaces, label_points
from posefleet_trainer.dataset.prepared import LabelledFrame, Prepared
from posefleet_trainer.dataset.split import SetName
from posefleet_trainer.gang.collectives import from_all
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.prediction.inference import predict_frames
from posefleet_trainer.prediction.project_files import ProjectFiles
from posefleet_trainer.prediction.results import FrameResults, Poses, pca_errors, pixel_error
from posefleet_trainer.prediction.videos import frames_of_rank
from posefleet_trainer.video.decode import resize


def predict_labelled_frames(
    model: TrainedModel,
    prepared: Prepared,
    sets: list[SetName],
    spaces: PoseSpaces,
    files: ProjectFiles,
    rank: Rank,
    count_frames: Callable[[int], None],
) -> FrameResults:
    """Predict the labelled frames of all sets.

    All ranks must call it together; each predicts an equal part, and all return the same.

    Args:
        sets: The set of each of ``prepared.frames``.
        count_frames: Is called with the number of frames in each batch that this rank has predicted.
    """
    mine = frames_of_rank(len(prepared.frames), rank.index, rank.world)
    with files.labelled_frames(prepared.frames_archive) as archive:
        part = _predict(model, archive, prepared.frames[mine.start : mine.stop], count_frames)
        poses = Poses.concatenate(from_all(part))
    return FrameResults(
        frames=prepared.frames,
        sets=sets,
        poses=poses,
        pixel_error=pixel_error(poses.points, label_points(prepared.frames, len(prepared.keypoints))),
        single_view=pca_errors(spaces.single_view, poses),
        multi_view=pca_errors(spaces.multi_view, poses),
    )


def _predict(
    model: TrainedModel, archive: FrameArchive, frames: Sequence[LabelledFrame], count_frames: Callable[[int], None]
) -> Poses:
    image = model.image_size
    images = (resize(archive.image(frame.path), (image.height, image.width)) for frame in frames)
    on_image = predict_frames(model, [images], image, count_frames)
    # Labelled frames may differ in size, so each is mapped to its own pixels.
    points = [
        between(points, image, Grid(frame.height, frame.width))
        for frame, points in zip(frames, on_image.points, strict=True)
    ]
    return Poses(np.stack(points), on_image.confidence) if points else on_image
