"""Subspaces of plausible poses: principal components of the labels, in pixels of the source frames.

Biderman et al., Nature Methods 21 (2024), Methods, "Pose PCA loss" and "Multi-view PCA loss": a pose that the kept
components cannot reproduce is implausible by the distance between it and its projection, for each keypoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posefleet_api.job import Spec
from posefleet_trainer.dataset.prepared import LabelledFrame, Prepared, resolve
from posefleet_trainer.dataset.split import split_frames
from posefleet_trainer.errors import InvalidInput

Floats = NDArray[np.float64]

#: Of the labels' own errors: what this share of them reaches is free.
EPSILON_PERCENTILE = 99.0


@dataclass(frozen=True, eq=False)
class PoseSubspace:
    """A plane through the space of vectors that are made of several keypoints' coordinates each."""

    keypoints: NDArray[np.int64]
    """(rows, points): the keypoints whose (x, y) make up each vector. Single view: one row with all keypoints.
    Several views: a row for each body part, with its keypoint in every view."""
    mean: Floats
    """(2 * points,) in pixels: x, y of the first point, x, y of the second, ..."""
    components: Floats
    """(kept, 2 * points), orthonormal rows."""
    epsilon_pixels: float
    """The 99th percentile of the labels' own error."""

    def error(self, points: NDArray[np.floating]) -> Floats:
        """Distance of each keypoint to its reconstruction, in pixels.

        ``points`` is (..., keypoint, xy) with all keypoints; the result (..., rows * points) in the order of
        ``keypoints.ravel()``, NaN for vectors with a missing point.
        """
        vectors = vectors_of(points, self.keypoints)
        centred = vectors - self.mean
        residual = centred - centred @ self.components.T @ self.components
        distances = np.linalg.norm(residual.reshape(*residual.shape[:-1], -1, 2), axis=-1)
        return np.asarray(distances.reshape(*distances.shape[:-2], -1), dtype=np.float64)


def vectors_of(points: NDArray[np.floating], keypoints: NDArray[np.int64]) -> Floats:
    """(..., keypoint, xy) to (..., rows, 2 * points)."""
    chosen = np.asarray(points, dtype=np.float64)[..., keypoints, :]
    return chosen.reshape(*chosen.shape[:-2], -1)


def fit_single_view(points: NDArray[np.floating], components: float, keypoints: Sequence[int]) -> PoseSubspace:
    """The plane of whole poses: ``points`` (frame, keypoint, xy), the keypoints that count.

    ``components`` below 1 is the share of the labels' variance to explain, from 1 the number of components.

    Raises:
        InvalidInput: fewer frames with all these keypoints labelled than a pose has coordinates.
    """
    rows = np.asarray([list(keypoints)], dtype=np.int64)
    return _fit(points, rows, components, "pcaSingleView", "frames with all its keypoints labelled")


def fit_multi_view(points: NDArray[np.floating], views: Sequence[Sequence[int]], components: int) -> PoseSubspace:
    """The plane of what several views see of one point in space: ``views`` lists the same body parts in each view.

    Raises:
        InvalidInput: fewer body parts labelled in all views than there are coordinates.
    """
    rows = np.asarray(views, dtype=np.int64).T
    return _fit(points, rows, components, "pcaMultiView", "body parts labelled in all views at once")


def _fit(
    points: NDArray[np.floating], keypoints: NDArray[np.int64], components: float, loss: str, counted: str
) -> PoseSubspace:
    vectors = vectors_of(points, keypoints).reshape(-1, 2 * keypoints.shape[1])
    whole = vectors[~np.isnan(vectors).any(axis=1)]
    _check_counts(len(whole), whole.shape[1], components, loss, counted)
    mean = whole.mean(axis=0)
    _, singular, directions = np.linalg.svd(whole - mean, full_matrices=False)
    kept = directions[: _kept(singular, components)]
    plane = PoseSubspace(keypoints, mean, kept, 0.0)
    errors = plane.error(points)
    epsilon = float(np.nanpercentile(errors, EPSILON_PERCENTILE))
    return PoseSubspace(keypoints, mean, kept, epsilon)


def _check_counts(rows: int, coordinates: int, components: float, loss: str, counted: str) -> None:
    if rows < coordinates:
        raise InvalidInput(
            f"losses.{loss} needs at least {coordinates} {counted} among the training frames, and there are {rows}; "
            f"label more frames, leave out keypoints that are seldom labelled, or remove losses.{loss}"
        )
    if components >= 1 and components >= coordinates:
        raise InvalidInput(
            f"losses.{loss}.components is {components:g}, and a pose has {coordinates} coordinates, so that nothing "
            "would be penalised; keep fewer components"
        )


def _kept(singular: Floats, components: float) -> int:
    if components >= 1:
        return int(components)
    variance = singular**2
    total = variance.sum()
    if total == 0:
        return 1
    return int(np.searchsorted(np.cumsum(variance) / total, components) + 1)


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


def points_of(frames: Sequence[LabelledFrame], keypoints: int) -> NDArray[np.float64]:
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
