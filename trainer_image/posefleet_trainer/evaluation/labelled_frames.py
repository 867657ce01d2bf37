"""Predicting the labelled frames: how far the model is from what people said."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.frames import FrameArchive
from posefleet_trainer.dataset.pose_spaces import PoseSpaces, points_of
from posefleet_trainer.dataset.prepared import Frame, Prepared
from posefleet_trainer.dataset.split import SetName, split_frames
from posefleet_trainer.evaluation.csv_format import write_errors, write_pca_errors, write_poses
from posefleet_trainer.evaluation.inference import predict_frames
from posefleet_trainer.evaluation.measures import pca_errors, pixel_error
from posefleet_trainer.evaluation.results import FrameResults, Poses
from posefleet_trainer.evaluation.videos import share
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.training.collectives import from_all
from posefleet_trainer.training.scratch import scratch_folder
from posefleet_trainer.video.resize import resize

#: Lightning Pose's words for the sets.
_SET_WORDS: dict[SetName, str] = {
    "train": "train",
    "validation": "validation",
    "test": "test",
    "outOfDistribution": "ood",
}


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
        pixel_error=pixel_error(poses.points, points_of(prepared.frames, len(prepared.keypoints))),
        single_view=pca_errors(spaces.single_view, poses),
        multi_view=pca_errors(spaces.multi_view, poses),
    )


def _predict(model: TrainedModel, archive: FrameArchive, frames: Sequence[Frame], done: Callable[[int], None]) -> Poses:
    image = model.image_size
    pictures = (resize(archive.image(frame.path), (image.height, image.width)) for frame in frames)
    in_image = predict_frames(model, [pictures], image, done)
    # Labelled frames need not have one size.
    points = [
        between(points, image, Grid(frame.height, frame.width))
        for frame, points in zip(frames, in_image.points, strict=True)
    ]
    return Poses(np.stack(points), in_image.confidence) if points else in_image


def write_frame_results(output: Store, keypoints: Sequence[str], results: FrameResults, directory: Path) -> None:
    """``predictions.csv`` and its errors, and the same with ``_new`` for the out-of-distribution frames."""
    for suffix, wanted in (("", False), ("_new", True)):
        rows = [row for row, name in enumerate(results.sets) if (name == "outOfDistribution") == wanted]
        if rows:
            with scratch_folder(directory) as folder:
                _write_files(folder, f"predictions{suffix}", keypoints, results, rows)
                for file in sorted(folder.iterdir()):
                    output.upload(file, f"predictions/{file.name}", "text/csv")


def _write_files(folder: Path, name: str, keypoints: Sequence[str], results: FrameResults, rows: Sequence[int]) -> None:
    index = [results.frames[row].path for row in rows]
    sets = [_SET_WORDS[results.sets[row]] for row in rows]
    poses = Poses(results.poses.points[rows], results.poses.confidence[rows])
    write_poses(folder / f"{name}.csv", keypoints, index, poses, sets)
    write_errors(folder / f"{name}_pixel_error.csv", keypoints, index, results.pixel_error[rows], sets)
    for kind, errors in (("singleview", results.single_view), ("multiview", results.multi_view)):
        if errors is not None:
            chosen = replace(errors, pixels=errors.pixels[rows])
            write_pca_errors(folder / f"{name}_pca_{kind}_error.csv", keypoints, index, chosen, sets)
