"""Linear subspaces of plausible poses: principal components of the labels, in pixels of the source frames.

Biderman et al., Nature Methods 21 (2024), Methods, "Pose PCA loss" and "Multi-view PCA loss": a pose is implausible
where it lies far from its projection onto the subspace that is spanned by the components that were kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posefleet_api.job import Spec
from posefleet_api.model import Losses
from posefleet_trainer.dataset.prepared import LabelledFrame, Prepared
from posefleet_trainer.dataset.split import frames_of_set
from posefleet_trainer.errors import InvalidInput

Floats = NDArray[np.float64]

#: The percentile of the labels' own errors up to which an error is not penalised.
EPSILON_PERCENTILE = 99.0


@dataclass(frozen=True, eq=False)
class PoseSubspace:
    """An affine subspace of the vectors that consist of the coordinates of several keypoints."""

    keypoints: NDArray[np.int64]
    """(rows, points): the keypoints whose (x, y) make up each vector. Single view: one row with all keypoints.
    Several views: a row for each body part, with its keypoint in every view."""
    mean: Floats
    """(2 * points,) in pixels: x, y of the first point, x, y of the second, ..."""
    components: Floats
    """(kept, 2 * points), orthonormal rows."""
    epsilon_pixels: float
    """The 99th percentile of the errors of the labels themselves."""

    def error(self, points: NDArray[np.floating]) -> Floats:
        """Return the distance of each keypoint from its projection, in pixels.

        ``points`` is (..., keypoint, xy) with all keypoints. The result is (..., rows * points) in the order of
        ``keypoints.ravel()``, with NaN for vectors with a missing point.
        """
        vectors = _vectors(points, self.keypoints)
        centred = vectors - self.mean
        residual = centred - centred @ self.components.T @ self.components
        distances = np.linalg.norm(residual.reshape(*residual.shape[:-1], -1, 2), axis=-1)
        return np.asarray(distances.reshape(*distances.shape[:-2], -1), dtype=np.float64)


@dataclass(frozen=True)
class PoseSpaces:
    """The subspaces of the two PCA losses; None where the loss is off or left out."""

    single_view: PoseSubspace | None
    multi_view: PoseSubspace | None
    left_out: str = ""
    """Why the single-view loss is left out, if it is on only by default and does not suit the data."""


def fit_pose_spaces(spec: Spec, prepared: Prepared) -> PoseSpaces:
    """Fit the subspaces of ``losses.pcaSingleView`` and ``losses.pcaMultiView`` to the training frames' labels.

    The single-view loss is on by default. If nothing of it is set in the manifest, it is left out where it does not
    suit the data.

    Raises:
        InvalidInput: a loss refers to a keypoint that does not exist, too few frames are labelled for it, or frames and
            videos have several sizes.
    """
    training = frames_of_set(prepared.frames, spec.dataset.split, spec.training.seed, "train")
    points = label_points(training, len(prepared.keypoints))
    single, multi = spec.losses.pca_single_view, spec.losses.pca_multi_view
    single_space = multi_space = None
    left_out = ""
    if "pcaSingleView" in spec.losses.on:
        chosen = prepared.numbers_of(single.keypoints, "losses.pcaSingleView.keypoints")
        kept = single.components or single.explained_variance_percent / 100
        try:
            _check_one_size(prepared, "pcaSingleView")
            single_space = fit_single_view(points, kept, chosen or range(len(prepared.keypoints)))
        except InvalidInput as error:
            if single != Losses().pca_single_view:
                raise
            left_out = f"losses.pcaSingleView is left out: {error}"
    if "pcaMultiView" in spec.losses.on:
        views = [prepared.numbers_of(view, "losses.pcaMultiView.views") for view in multi.views]
        _check_one_size(prepared, "pcaMultiView")
        multi_space = fit_multi_view(points, views, multi.components)
    return PoseSpaces(single_space, multi_space, left_out)


def different_sizes(prepared: Prepared) -> str:
    """Return a clause that names two frames or videos of different sizes; an empty text if all have one size."""
    sizes = {frame.path: (frame.width, frame.height) for frame in prepared.frames}
    videos = [*prepared.clip_videos, *prepared.predict_videos]
    sizes |= {video.source.path: (video.width, video.height) for video in videos}
    (one, (width, height)), *others = sizes.items()
    for path, size in others:
        if size != (width, height):
            return f"{one} has {width}x{height} pixels and {path} {size[0]}x{size[1]}"
    return ""


def _check_one_size(prepared: Prepared, loss: str) -> None:
    """Check that all frames and videos have one size.

    The subspace of a PCA loss is fitted to the labelled frames in their pixels, and poses of all frames and videos
    are compared with it in theirs.
    """
    if differ := different_sizes(prepared):
        raise InvalidInput(
            f"{differ}, and losses.{loss} would compare poses of both in pixels; scale the pictures (with their "
            "labels) and the videos to one size, leave out those of another size, or set the weight of "
            f"losses.{loss} to 0"
        )


def label_points(frames: Sequence[LabelledFrame], keypoints: int) -> Floats:
    """Return the labels as (frame, keypoint, xy) in pixels of the source frames, NaN where unlabelled."""
    points = np.full((len(frames), keypoints, 2), np.nan)
    for row, frame in enumerate(frames):
        for column, point in enumerate(frame.points):
            if point is not None:
                points[row, column] = point
    return points


def fit_single_view(points: NDArray[np.floating], components: int | float, keypoints: Sequence[int]) -> PoseSubspace:
    """Fit the subspace of whole poses.

    Args:
        points: (frame, keypoint, xy) in pixels, NaN where unlabelled.
        components: an int is the number of components to keep; a float is the share, from 0 to 1, of the labels'
            variance that the kept ones explain.
        keypoints: the keypoints that a pose consists of.

    Raises:
        InvalidInput: fewer frames have all these keypoints labelled than a pose has coordinates, or as many
            components are kept as a pose has coordinates.
    """
    rows = np.asarray([list(keypoints)], dtype=np.int64)
    return _fit(points, rows, components, "pcaSingleView", "frames with all its keypoints labelled")


def fit_multi_view(points: NDArray[np.floating], views: Sequence[Sequence[int]], components: int) -> PoseSubspace:
    """Fit the subspace of what several views see of one body part.

    Args:
        points: (frame, keypoint, xy) in pixels, NaN where unlabelled.
        views: for each view, the keypoints of the same body parts in the same order.
        components: the number of components to keep; parallel projections of points in space have three.

    Raises:
        InvalidInput: fewer body parts are labelled in all views than a vector has coordinates, or as many components
            are kept as a vector has coordinates.
    """
    rows = np.asarray(views, dtype=np.int64).T
    return _fit(points, rows, components, "pcaMultiView", "body parts labelled in all views at once")


def _vectors(points: NDArray[np.floating], keypoints: NDArray[np.int64]) -> Floats:
    """Select (..., rows, 2 * points) from (..., keypoint, xy)."""
    chosen = np.asarray(points, dtype=np.float64)[..., keypoints, :]
    return chosen.reshape(*chosen.shape[:-2], -1)


def _fit(
    points: NDArray[np.floating], keypoints: NDArray[np.int64], components: int | float, loss: str, counted: str
) -> PoseSubspace:
    vectors = _vectors(points, keypoints).reshape(-1, 2 * keypoints.shape[1])
    whole = vectors[~np.isnan(vectors).any(axis=1)]
    _check_counts(len(whole), whole.shape[1], components, loss, counted)
    mean = whole.mean(axis=0)
    _, singular, directions = np.linalg.svd(whole - mean, full_matrices=False)
    kept = directions[: _kept_components(singular, components)]
    errors = PoseSubspace(keypoints, mean, kept, epsilon_pixels=0.0).error(points)
    epsilon = float(np.nanpercentile(errors, EPSILON_PERCENTILE))
    return PoseSubspace(keypoints, mean, kept, epsilon)


def _check_counts(rows: int, coordinates: int, components: int | float, loss: str, counted: str) -> None:
    if rows < coordinates:
        raise InvalidInput(
            f"losses.{loss} needs at least {coordinates} {counted} among the training frames, and there are {rows}; "
            f"label more frames, leave out keypoints that are seldom labelled, or set losses.{loss}.weight to 0"
        )
    if isinstance(components, int) and components >= coordinates:
        raise InvalidInput(
            f"losses.{loss}.components is {components}, and a pose has {coordinates} coordinates, so that nothing "
            "would be penalised; keep fewer components"
        )


def _kept_components(singular: Floats, components: int | float) -> int:
    """Return how many components to keep: ``components`` itself, or enough to explain that share of the variance."""
    if isinstance(components, int):
        return components
    variance = singular**2
    total = variance.sum()
    if total == 0:
        return 1
    return min(len(variance), int(np.searchsorted(np.cumsum(variance) / total, components) + 1))
