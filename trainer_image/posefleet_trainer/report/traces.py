"""What was predicted on a video, over time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from posefleet_trainer.evaluation.results import Floats, PcaErrors, VideoResults
from posefleet_trainer.report.drawing import LOW_CONFIDENCE
from posefleet_trainer.report.material import Material
from posefleet_trainer.report.palette import hexadecimal
from posefleet_trainer.report.plots import Band, Chart, Line, Rule, draw_chart, thinned

_MOST_TRACE_POINTS = 700
_STRETCHES = 350
#: Shades of doubt, so that neighbours of equal shade become one rectangle.
_SHADES = 4


@dataclass(frozen=True)
class Trace:
    """One keypoint's way through a video."""

    keypoint: str
    colour: str
    x: Markup
    y: Markup


def traces(material: Material, results: VideoResults) -> list[Trace]:
    """A pair of plots for each keypoint; the darker the ground, the less the network trusts itself."""
    return [
        _trace(name, hexadecimal(colour), results.poses.points[:, keypoint], results.poses.confidence[:, keypoint])
        for keypoint, (name, colour) in enumerate(
            zip(material.predictions.keypoints, material.style.colours, strict=True)
        )
    ]


def _trace(name: str, colour: str, points: Floats, confidence: Floats) -> Trace:
    bands = doubts(confidence)
    across, down = (
        draw_chart(Chart(f"{name}  {axis}", [_line(points[:, place], colour)], bands=bands, height=92))
        for place, axis in enumerate("xy")
    )
    return Trace(name, colour, across, down)


def doubts(confidence: Floats) -> list[Band]:
    """Stretches of frames where the confidence is low, the stronger the lower it is."""
    if not len(confidence):
        return []
    edges = np.linspace(0, len(confidence), min(_STRETCHES, len(confidence)) + 1).astype(int)
    means = np.add.reduceat(confidence, edges[:-1]) / np.diff(edges)
    shades = np.ceil(np.clip(1 - means / LOW_CONFIDENCE, 0, 1) * _SHADES).astype(int)
    bands, place = [], 0
    for shade, stretch in groupby(shades.tolist()):
        length = len(list(stretch))
        if shade:
            bands.append(Band(float(edges[place]), float(edges[place + length]), 0.25 + 0.75 * shade / _SHADES))
        place += length
    return bands


def error_charts(material: Material, results: VideoResults) -> list[Markup]:
    """The jumps from frame to frame and the distances to the planes of plausible poses, with what is free of loss."""
    temporal = material.context.job.spec.losses.temporal
    charts = [_jumps(results, None if temporal is None else temporal.epsilon_pixels)]
    for title, errors in (("single-view", results.single_view), ("multi-view", results.multi_view)):
        if errors is not None:
            charts.append(_plane(f"Distance to the {title} PCA plane, pixels", errors))
    return charts


def _jumps(results: VideoResults, epsilon: float | None) -> Markup:
    rules = [] if epsilon is None else [Rule(epsilon, f"ε {epsilon:g}")]
    return _spread("Jump from the frame before, pixels", results.temporal_norm, rules)


def _plane(title: str, errors: PcaErrors) -> Markup:
    return _spread(title, errors.pixels, [Rule(errors.epsilon_pixels, f"ε {errors.epsilon_pixels:.3g}")])


def _spread(title: str, pixels: Floats, rules: Sequence[Rule]) -> Markup:
    """The worst and the median keypoint of each frame."""
    worst, median = _over_keypoints(pixels, np.nanmax), _over_keypoints(pixels, np.nanmedian)
    lines = [_line(worst, "var(--faded)", "worst keypoint"), _line(median, "var(--accent)", "median")]
    return draw_chart(Chart(title, lines, x_label="frame", rules=rules, from_zero=True, width=1060, height=190))


def _over_keypoints(pixels: Floats, measure: Callable[..., Any]) -> NDArray[np.float64]:
    known = np.isfinite(pixels).any(axis=1)
    values = np.full(len(pixels), np.nan)
    values[known] = measure(pixels[known], axis=1)
    return values


def _line(values: NDArray[np.floating], colour: str, label: str = "") -> Line:
    return Line(*thinned(values, _MOST_TRACE_POINTS), colour, label, width=1.3)
