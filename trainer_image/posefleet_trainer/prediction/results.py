"""The results of a prediction: poses with confidences, and how far they are from labels and from plausible poses.

The errors are those of Biderman et al., Nature Methods 21 (2024): distance to the label, jump between consecutive
frames ("temporal norm"), and distance to the principal subspace of the labelled poses ("PCA error").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posefleet_trainer.dataset.pose_subspaces import PoseSpaces, PoseSubspace
from posefleet_trainer.dataset.prepared import LabelledFrame, Video
from posefleet_trainer.dataset.split import SetName

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Poses:
    """The predicted keypoints of several frames."""

    points: Floats
    """(frame, keypoint, xy) in source pixels."""
    confidence: Floats
    """(frame, keypoint) from 0 to 1."""

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def concatenate(cls, parts: Sequence["Poses"]) -> "Poses":
        """Join several parts in their order. There must be at least one."""
        return cls(np.concatenate([p.points for p in parts]), np.concatenate([p.confidence for p in parts]))

    @classmethod
    def empty(cls, keypoints: int) -> "Poses":
        """Return the poses of no frame at all, with ``keypoints`` keypoints."""
        return cls(np.zeros((0, keypoints, 2), np.float32), np.zeros((0, keypoints), np.float32))


@dataclass(frozen=True, eq=False)
class PcaErrors:
    """Distances between keypoints and their projections onto the subspace of plausible poses."""

    keypoints: list[int]
    """The keypoint of each column. Keypoints that the subspace does not cover have no column."""
    pixels: Floats
    """(frame, column) in source pixels; NaN where a keypoint that the projection needs is missing."""
    epsilon_pixels: float
    """The 99th percentile of the distances of the training labels: larger distances are implausible."""


@dataclass(frozen=True, eq=False)
class FrameResults:
    """The results on the labelled frames of all sets, one row for each frame."""

    frames: list[LabelledFrame]
    sets: list[SetName]
    poses: Poses
    pixel_error: Floats
    """(frame, keypoint): distance to the label in source pixels, NaN where there is no label."""
    single_view: PcaErrors | None
    multi_view: PcaErrors | None


@dataclass(frozen=True)
class PredictedVideo:
    """A video of the project and the name of its files in the output folder."""

    name: str
    """The file name of the results without its suffix; unique within the job."""
    video: Video


@dataclass(frozen=True, eq=False)
class VideoResults:
    """The results on one video. An hour of video takes hundreds of megabytes, so hold one at a time."""

    poses: Poses
    temporal_norm: Floats
    """(frame, keypoint): distance to the previous frame in source pixels, NaN for the first frame."""
    single_view: PcaErrors | None
    multi_view: PcaErrors | None


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the stage predict returns, equal on all ranks. The results on videos are in the output folder."""

    keypoints: list[str]
    frames: FrameResults
    spaces: PoseSpaces
    videos: list[PredictedVideo]


def pixel_error(points: NDArray[np.floating], labels: NDArray[np.floating]) -> Floats:
    """Return the Euclidean distances (frame, keypoint) between two (frame, keypoint, xy) arrays.

    The distance is NaN where either point is.
    """
    return np.asarray(np.linalg.norm(points - labels, axis=-1), dtype=np.float32)


def temporal_norm(points: NDArray[np.floating]) -> Floats:
    """Return how far each keypoint moved since the previous frame, (frame, keypoint) in the unit of ``points``.

    ``points`` is (frame, keypoint, xy). The first frame has no previous one, and its row is NaN.
    """
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    first = np.full((min(1, len(points)), points.shape[1]), np.nan)
    return np.concatenate([first, steps]).astype(np.float32)


def pca_errors(space: PoseSubspace | None, poses: Poses) -> PcaErrors | None:
    """Return the distances of ``poses`` to their projections onto ``space``; None without a subspace."""
    if space is None:
        return None
    keypoints = [int(keypoint) for keypoint in space.keypoints.ravel()]
    return PcaErrors(keypoints, space.error(poses.points).astype(np.float32), space.epsilon_pixels)


def video_results(poses: Poses, spaces: PoseSpaces) -> VideoResults:
    """Measure how plausible the poses of consecutive video frames are."""
    return VideoResults(
        poses=poses,
        temporal_norm=temporal_norm(poses.points),
        single_view=pca_errors(spaces.single_view, poses),
        multi_view=pca_errors(spaces.multi_view, poses),
    )
