"""The pose subspaces that a job's losses ask for, fitted on its training frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posefleet_api.job import Spec
from posefleet_trainer.dataset.keypoints import resolve
from posefleet_trainer.dataset.prepared import Frame, Prepared
from posefleet_trainer.dataset.split import split_frames
from posefleet_trainer.dataset.subspace import PoseSubspace, fit_multi_view, fit_single_view


@dataclass(frozen=True)
class PoseSpaces:
    """None where the loss is off."""

    single_view: PoseSubspace | None
    multi_view: PoseSubspace | None


def fit_pose_spaces(spec: Spec, prepared: Prepared) -> PoseSpaces:
    """Fit the subspaces of ``losses.pcaSingleView`` and ``losses.pcaMultiView``.

    Raises:
        InvalidInput: they name keypoints that are not there, or too few frames are labelled.
    """
    sets = split_frames(prepared.frames, spec.dataset.split, spec.training.seed)
    training = [frame for frame, name in zip(prepared.frames, sets, strict=True) if name == "train"]
    points = points_of(training, len(prepared.keypoints))
    return PoseSpaces(_single_view(spec, prepared.keypoints, points), _multi_view(spec, prepared.keypoints, points))


def points_of(frames: Sequence[Frame], keypoints: int) -> NDArray[np.float64]:
    """The labels as (frame, keypoint, xy) in source pixels, NaN where unlabelled."""
    points = np.full((len(frames), keypoints, 2), np.nan)
    for row, frame in enumerate(frames):
        for column, point in enumerate(frame.points):
            if point is not None:
                points[row, column] = point
    return points


def _single_view(spec: Spec, names: Sequence[str], points: NDArray[np.float64]) -> PoseSubspace | None:
    loss = spec.losses.pca_single_view
    if loss is None:
        return None
    chosen = resolve(loss.keypoints, names, "losses.pcaSingleView.keypoints") or list(range(len(names)))
    return fit_single_view(points, loss.components, chosen)


def _multi_view(spec: Spec, names: Sequence[str], points: NDArray[np.float64]) -> PoseSubspace | None:
    loss = spec.losses.pca_multi_view
    if loss is None:
        return None
    views = [resolve(view, names, "losses.pcaMultiView.views") for view in loss.views]
    return fit_multi_view(points, views, loss.components)
