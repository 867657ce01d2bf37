"""The charts of the page: the curves of the training, errors by keypoint, and the course of a video's poses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from posefleet_trainer.prediction.results import Floats, PcaErrors, Poses, VideoResults
from posefleet_trainer.report.drawing import LOW_CONFIDENCE
from posefleet_trainer.report.line_chart import (
    Band,
    Chart,
    Line,
    ReferenceLine,
    downsample,
    draw_chart,
    format_number,
    linear_scale,
    svg_line,
    svg_picture,
    svg_text,
    ticks,
)

#: An entry of ``TrainedModel.history``.
Record = Mapping[str, Any]

#: The titles of the losses of ``spec.losses``.
_LOSS_TITLES = {
    "heatmap": "Heatmap loss (labelled frames)",
    "temporal": "Temporal loss",
    "pcaSingleView": "Single-view PCA loss",
    "pcaMultiView": "Multi-view PCA loss",
    "unimodal": "Unimodal loss",
}
_MOST_CURVE_POINTS = 800
#: A curve whose largest value is more than this many times its smallest has a logarithmic axis.
_WIDE_RANGE = 20.0

#: The layout of the error plot in pixels.
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM, _ROW = 1060, 190, 20, 30, 34, 22
_LETTER_WIDTH = 7.2
_LONGEST_NAME = 26

_MOST_TRACE_POINTS = 700
_CONFIDENCE_INTERVALS = 350
#: Few shades, so that neighbouring intervals often have the same and become one rectangle.
_SHADES = 4


def training_curves(history: Sequence[Record]) -> list[Markup]:
    """Draw a chart for each loss, for the validation pixel error if it was measured, and for the learning rate."""
    if not history:
        return []
    terms = list(dict.fromkeys(term for record in history for term in record["losses"]))
    charts = [
        _curve(history, f"{_LOSS_TITLES.get(term, term)}, weighted", _column(history, "losses", term), "var(--accent)")
        for term in terms
    ]
    errors = _column(history, "validation_pixel_error")
    if np.isfinite(errors).any():
        charts.append(_curve(history, "Validation pixel error, mean", errors, "var(--validation)"))
    charts.append(_curve(history, "Learning rate", _column(history, "learning_rate"), "var(--quiet)", linear=True))
    return charts


def _column(history: Sequence[Record], name: str, term: str | None = None) -> NDArray[np.float64]:
    values = [record.get(name) if term is None else record[name].get(term) for record in history]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _curve(
    history: Sequence[Record], title: str, values: NDArray[np.float64], colour: str, *, linear: bool = False
) -> Markup:
    known = np.isfinite(values)
    steps = np.array([record["step"] for record in history], dtype=np.float64)[known]
    places, shown = downsample(values[known], _MOST_CURVE_POINTS)
    positive = shown[shown > 0]
    wide = not linear and len(positive) == len(shown) > 0 and positive.max() / positive.min() > _WIDE_RANGE
    line = Line(steps[places.astype(int)], shown, colour, width=1.8)
    return draw_chart(
        Chart(
            title,
            [line],
            x_label="step",
            logarithmic=bool(wide),
            from_zero=True,
            x_range=(0.0, float(history[-1]["step"])),
        )
    )


@dataclass(frozen=True)
class SetErrors:
    """The errors of the keypoints in one set of frames."""

    label: str
    css_class: str
    """The class of the dots."""
    pixels: Sequence[float | None]
    """The mean error of each keypoint; None without a label."""


def draw_error_plot(keypoints: Sequence[str], colours: Sequence[str], sets: Sequence[SetErrors]) -> Markup:
    """Draw a row for each keypoint with a dot for each set, as an ``<svg>`` element."""
    height = _TOP + _ROW * len(keypoints) + _BOTTOM
    known = [value for one in sets for value in one.pixels if value is not None]
    scale = linear_scale((0.0, max(known, default=1.0) * 1.03), (_LEFT, _WIDTH - _RIGHT))
    parts = [_legend(sets)]
    for value in ticks(scale, 8):
        place = scale.place(value)
        parts.append(svg_line(place, _TOP, place, height - _BOTTOM, "grid"))
        parts.append(svg_text(place, height - _BOTTOM + 15, format_number(value), "tick middle"))
    parts.append(svg_text((_LEFT + _WIDTH) / 2, height - 3, "mean distance to the label, pixels", "tick middle"))
    for row, (name, colour) in enumerate(zip(keypoints, colours, strict=True)):
        middle = _TOP + _ROW * (row + 0.5)
        parts.append(_keypoint_name(name, colour, middle))
        parts.extend(_dots(sets, row, middle, scale.place))
    return svg_picture(_WIDTH, height, "Pixel error by keypoint", parts)


def _dots(sets: Sequence[SetErrors], row: int, middle: float, place: Callable[[float], float]) -> list[Markup]:
    values = [(one, value) for one in sets if (value := one.pixels[row]) is not None]
    if not values:
        return [svg_text(_LEFT + 6, middle + 4, "no label", "tick")]
    reach = [place(value) for _, value in values]
    parts = [svg_line(min(reach), middle, max(reach), middle, "axis")]
    form = Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="5"><title>{}: {:.2f} px</title></circle>')
    parts.extend(form.format(one.css_class, place(value), middle, one.label, value) for one, value in values)
    return parts


def _keypoint_name(name: str, colour: str, middle: float) -> Markup:
    short = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    dot = Markup('<circle cx="{}" cy="{:.1f}" r="4.5" fill="{}"/>').format(_LEFT - 12, middle, colour)
    return dot + svg_text(_LEFT - 24, middle + 4, short, "name end")


def _legend(sets: Sequence[SetErrors]) -> Markup:
    parts, left = [], float(_LEFT)
    for one in sets:
        parts.append(Markup('<circle class="dot {}" cx="{:.1f}" cy="11" r="5"/>').format(one.css_class, left + 5))
        parts.append(svg_text(left + 16, 15, one.label, "name"))
        left += 40 + _LETTER_WIDTH * len(one.label)
    return Markup("").join(parts)


@dataclass(frozen=True)
class KeypointTrace:
    """Charts of the position of one keypoint over the frames of a video."""

    x: Markup
    y: Markup


def keypoint_traces(keypoints: Sequence[str], colours: Sequence[str], poses: Poses) -> list[KeypointTrace]:
    """Draw the position of each keypoint; the background is darker where the confidence is lower."""
    return [
        _trace(name, colour, poses.points[:, column], poses.confidence[:, column])
        for column, (name, colour) in enumerate(zip(keypoints, colours, strict=True))
    ]


def _trace(name: str, colour: str, points: Floats, confidence: Floats) -> KeypointTrace:
    bands = low_confidence_bands(confidence)
    x, y = (
        draw_chart(Chart(f"{name}  {axis}", [_line(points[:, column], colour)], bands=bands, height=92))
        for column, axis in enumerate("xy")
    )
    return KeypointTrace(x, y)


def low_confidence_bands(confidence: Floats) -> list[Band]:
    """Return the intervals of frames whose mean confidence is low, stronger where it is lower."""
    if not len(confidence):
        return []
    edges = np.linspace(0, len(confidence), min(_CONFIDENCE_INTERVALS, len(confidence)) + 1).astype(int)
    means = np.add.reduceat(confidence, edges[:-1]) / np.diff(edges)
    shades = np.ceil(np.clip(1 - means / LOW_CONFIDENCE, 0, 1) * _SHADES).astype(int)
    bands, place = [], 0
    for shade, intervals in groupby(shades.tolist()):
        length = len(list(intervals))
        if shade:
            bands.append(Band(float(edges[place]), float(edges[place + length]), 0.25 + 0.75 * shade / _SHADES))
        place += length
    return bands


def error_charts(results: VideoResults, temporal_epsilon: float | None) -> list[Markup]:
    """Draw the jumps between frames and the distances to the subspaces of plausible poses.

    ``temporal_epsilon`` is the jump in pixels up to which the temporal loss is zero; None if the job has no such loss.
    """
    charts = [_jump_chart(results, temporal_epsilon)]
    for title, errors in (("single-view", results.single_view), ("multi-view", results.multi_view)):
        if errors is not None:
            charts.append(_pca_chart(f"Distance to the {title} PCA subspace, pixels", errors))
    return charts


def _jump_chart(results: VideoResults, epsilon: float | None) -> Markup:
    lines = [] if epsilon is None else [ReferenceLine(epsilon, f"ε {epsilon:g}")]
    return _error_chart("Jump from the previous frame, pixels", results.temporal_norm, lines)


def _pca_chart(title: str, errors: PcaErrors) -> Markup:
    return _error_chart(title, errors.pixels, [ReferenceLine(errors.epsilon_pixels, f"ε {errors.epsilon_pixels:.3g}")])


def _error_chart(title: str, pixels: Floats, reference_lines: Sequence[ReferenceLine]) -> Markup:
    """Draw the worst and the median keypoint of each frame."""
    worst, median = _over_keypoints(pixels, np.nanmax), _over_keypoints(pixels, np.nanmedian)
    lines = [_line(worst, "var(--faded)", "worst keypoint"), _line(median, "var(--accent)", "median")]
    return draw_chart(
        Chart(title, lines, x_label="frame", reference_lines=reference_lines, from_zero=True, width=1060, height=190)
    )


def _over_keypoints(pixels: Floats, measure: Callable[..., Any]) -> NDArray[np.float64]:
    """Reduce (frame, keypoint) to (frame,); NaN for frames without any value."""
    known = np.isfinite(pixels).any(axis=1)
    values = np.full(len(pixels), np.nan)
    values[known] = measure(pixels[known], axis=1)
    return values


def _line(values: NDArray[np.floating], colour: str, label: str = "") -> Line:
    return Line(*downsample(values, _MOST_TRACE_POINTS), colour, label, width=1.3)
