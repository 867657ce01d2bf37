"""What predicting gives: poses with their confidence, and how far they are from what they should be."""

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
    """Predicted keypoints of several frames."""

    points: Floats
    """(frame, keypoint, xy) in source pixels."""
    confidence: Floats
    """(frame, keypoint), 0 to 1."""

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def joined(cls, parts: Sequence["Poses"]) -> "Poses":
        """Several parts, one after the other."""
        return cls(np.concatenate([p.points for p in parts]), np.concatenate([p.confidence for p in parts]))

    @classmethod
    def none(cls, keypoints: int) -> "Poses":
        """Of no frame."""
        return cls(np.zeros((0, keypoints, 2), np.float32), np.zeros((0, keypoints), np.float32))


@dataclass(frozen=True, eq=False)
class PcaErrors:
    """Distance to the plane of plausible poses; one column for each of ``keypoints``."""

    keypoints: list[int]
    pixels: Floats
    """(frame, column) in source pixels, NaN where a point of the pose is missing."""
    epsilon_pixels: float
    """What 99 % of the training labels stay below."""


@dataclass(frozen=True, eq=False)
class FrameResults:
    """The labelled frames."""

    frames: list[LabelledFrame]
    sets: list[SetName]
    poses: Poses
    pixel_error: Floats
    """(frame, keypoint): distance to the label in source pixels, NaN where there is none."""
    single_view: PcaErrors | None
    multi_view: PcaErrors | None


@dataclass(frozen=True)
class PredictedVideo:
    """A video whose results lie in the output folder."""

    name: str
    """Of its files there."""
    video: Video


@dataclass(frozen=True, eq=False)
class VideoResults:
    """What was predicted on one video; an hour of it has hundreds of megabytes, so hold one at a time."""

    poses: Poses
    temporal_norm: Floats
    """(frame, keypoint): distance to the frame before in source pixels, NaN for the first."""
    single_view: PcaErrors | None
    multi_view: PcaErrors | None


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the report is about; the same on every rank."""

    keypoints: list[str]
    frames: FrameResults
    spaces: PoseSpaces
    videos: list[PredictedVideo]


def pixel_error(points: NDArray[np.floating], labels: NDArray[np.floating]) -> Floats:
    """Euclidean distance (frame, keypoint) between two (frame, keypoint, xy) arrays; NaN where either is."""
    return np.asarray(np.linalg.norm(points - labels, axis=-1), dtype=np.float32)


def temporal_norm(points: NDArray[np.floating]) -> Floats:
    """Distance (frame, keypoint) of each keypoint to where it was one frame before; NaN for the first frame."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    first = np.full((min(1, len(points)), points.shape[1]), np.nan)
    return np.concatenate([first, steps]).astype(np.float32)


def pca_errors(space: PoseSubspace | None, poses: Poses) -> PcaErrors | None:
    """The distance of each pose to ``space``; None where the loss is off."""
    if space is None:
        return None
    keypoints = [int(keypoint) for keypoint in space.keypoints.ravel()]
    return PcaErrors(keypoints, space.error(poses.points).astype(np.float32), space.epsilon_pixels)


def video_results(poses: Poses, spaces: PoseSpaces) -> VideoResults:
    """How plausible the poses of a video's consecutive frames are."""
    return VideoResults(
        poses=poses,
        temporal_norm=temporal_norm(poses.points),
        single_view=pca_errors(spaces.single_view, poses),
        multi_view=pca_errors(spaces.multi_view, poses),
    )
