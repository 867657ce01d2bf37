"""Distances in source pixels: to the labels, to the frame before, to the planes of plausible poses."""

import numpy as np
from numpy.typing import NDArray

from posefleet_trainer.dataset.pose_spaces import PoseSpaces
from posefleet_trainer.dataset.subspace import PoseSubspace
from posefleet_trainer.evaluation.results import Floats, PcaErrors, Poses, VideoResults


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
