"""The numbers of the report: errors by set and by keypoint, and how plausible the poses of a video are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posefleet_trainer.dataset.split import SET_NAMES, SetName
from posefleet_trainer.prediction.results import Floats, FrameResults, PcaErrors, VideoResults
from posefleet_trainer.report.drawing import LOW_CONFIDENCE


@dataclass(frozen=True)
class ErrorOfSet:
    """How far the predictions are from the labels in one set of frames."""

    name: SetName
    frames: int
    labels: int
    mean: float | None
    """Mean over all labels, in pixels of the source frames; None if the set has no label."""
    median: float | None


@dataclass(frozen=True)
class KeypointErrors:
    """The errors of a keypoint in pixels, one entry for each set of ``errors_by_set``; None without a label."""

    keypoint: str
    colour: str
    means: list[float | None]
    medians: list[float | None]


@dataclass(frozen=True)
class KeypointOnVideo:
    """How plausible the predictions of a keypoint are on a video."""

    keypoint: str
    colour: str
    confidence: float | None
    """Mean over all frames, from 0 to 1; None if the video has no frame."""
    low_confidence: float | None
    """Share of frames whose confidence is below ``LOW_CONFIDENCE``."""
    median_jump: float | None
    """Distance to the previous frame in source pixels; None if the video has fewer than two frames."""
    largest_jump: float | None
    implausible: list[float | None]
    """Share of frames whose error is above epsilon, one entry for each of ``subspaces``; None for a keypoint that the
    subspace does not cover."""


def errors_by_set(results: FrameResults) -> list[ErrorOfSet]:
    """Return the errors of each set that has frames, in the order of ``SET_NAMES``."""
    errors = []
    for name in SET_NAMES:
        rows = rows_of(results, name)
        if rows:
            mean, median, labels = mean_and_median(results.pixel_error[rows])
            errors.append(ErrorOfSet(name, len(rows), labels, mean, median))
    return errors


def rows_of(results: FrameResults, name: SetName) -> list[int]:
    """Return the rows of ``results`` that belong to a set."""
    return [row for row, other in enumerate(results.sets) if other == name]


def mean_and_median(pixels: Floats) -> tuple[float | None, float | None, int]:
    """Return mean, median and number of the values that are not NaN; (None, None, 0) if all are."""
    known = pixels[np.isfinite(pixels)]
    if not known.size:
        return None, None, 0
    return float(known.mean()), float(np.median(known)), int(known.size)


def keypoint_errors(keypoints: Sequence[str], colours: Sequence[str], results: FrameResults) -> list[KeypointErrors]:
    """Return the errors of each keypoint in each set that has frames."""
    sets = [results.pixel_error[rows_of(results, error.name)] for error in errors_by_set(results)]
    rows = []
    for column, (name, colour) in enumerate(zip(keypoints, colours, strict=True)):
        measured = [mean_and_median(pixels[:, column]) for pixels in sets]
        means, medians = [mean for mean, _, _ in measured], [median for _, median, _ in measured]
        rows.append(KeypointErrors(name, colour, means, medians))
    return rows


def keypoints_on_video(
    keypoints: Sequence[str], colours: Sequence[str], results: VideoResults
) -> list[KeypointOnVideo]:
    """Return how plausible each keypoint is on a video."""
    rows = []
    for column, (name, colour) in enumerate(zip(keypoints, colours, strict=True)):
        confidence, jumps = results.poses.confidence[:, column], results.temporal_norm[:, column]
        known = jumps[np.isfinite(jumps)]
        rows.append(
            KeypointOnVideo(
                name,
                colour,
                confidence=float(confidence.mean()) if len(confidence) else None,
                low_confidence=float((confidence < LOW_CONFIDENCE).mean()) if len(confidence) else None,
                median_jump=float(np.median(known)) if len(known) else None,
                largest_jump=float(known.max()) if len(known) else None,
                implausible=[_share_above_epsilon(errors, column) for _, errors in subspaces(results)],
            )
        )
    return rows


def subspaces(results: VideoResults) -> list[tuple[str, PcaErrors]]:
    """Return name and errors of each subspace of plausible poses that the job has a loss for."""
    named = (("single-view PCA", results.single_view), ("multi-view PCA", results.multi_view))
    return [(name, errors) for name, errors in named if errors is not None]


def _share_above_epsilon(errors: PcaErrors, keypoint: int) -> float | None:
    if keypoint not in errors.keypoints:
        return None
    pixels: Floats = errors.pixels[:, errors.keypoints.index(keypoint)]
    known = pixels[np.isfinite(pixels)]
    return float((known > errors.epsilon_pixels).mean()) if len(known) else None
