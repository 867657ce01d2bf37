"""How the training went, as plots over its steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from posefleet_trainer.prediction.results import Floats, PcaErrors, VideoResults
from posefleet_trainer.report.drawing import LOW_CONFIDENCE
from posefleet_trainer.report.material import Material
from posefleet_trainer.report.palette import hexadecimal
from posefleet_trainer.report.plots import (
    Band,
    Chart,
    Line,
    Rule,
    draw_chart,
    linear_scale,
    readable,
    svg_line,
    svg_picture,
    svg_text,
    thinned,
    ticks,
)

Record = Mapping[str, Any]

#: What the API calls the losses, and what people do.
_TERMS = {
    "heatmap": "Heatmap loss (labelled frames)",
    "temporal": "Temporal loss",
    "pcaSingleView": "Single-view PCA loss",
    "pcaMultiView": "Multi-view PCA loss",
    "unimodal": "Unimodal loss",
}
_MOST_CURVE_POINTS = 800
#: From so large a ratio of largest to least on, a plot is logarithmic.
_WIDE_RANGE = 20.0


def training_curves(history: Sequence[Record]) -> list[Markup]:
    """A plot for each loss, the validation pixel error, and the learning rate."""
    if not history:
        return []
    terms = list(dict.fromkeys(term for record in history for term in record["losses"]))
    charts = [
        _curve(history, f"{_TERMS.get(term, term)}, weighted", _column(history, "losses", term), "var(--accent)")
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
    places, shown = thinned(values[known], _MOST_CURVE_POINTS)
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


_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM, _ROW = 1060, 190, 20, 30, 34, 22
_LONGEST_NAME = 26
_LETTER = 7.2


@dataclass(frozen=True)
class Series:
    """One set of frames."""

    label: str
    kind: str
    """The CSS class of its dots."""
    values: Sequence[float | None]
    """One a keypoint, pixels."""


def draw_error_plot(keypoints: Sequence[str], colours: Sequence[str], series: Sequence[Series]) -> Markup:
    """A row a keypoint, a dot a set, as an ``<svg>`` element."""
    height = _TOP + _ROW * len(keypoints) + _BOTTOM
    known = [value for one in series for value in one.values if value is not None]
    scale = linear_scale((0.0, max(known, default=1.0) * 1.03), (_LEFT, _WIDTH - _RIGHT))
    parts = [_key(series)]
    for value in ticks(scale, 8):
        place = scale.place(value)
        parts.append(svg_line(place, _TOP, place, height - _BOTTOM, "grid"))
        parts.append(svg_text(place, height - _BOTTOM + 15, readable(value), "tick middle"))
    parts.append(svg_text((_LEFT + _WIDTH) / 2, height - 3, "mean distance to the label, pixels", "tick middle"))
    for row, (name, colour) in enumerate(zip(keypoints, colours, strict=True)):
        middle = _TOP + _ROW * (row + 0.5)
        parts.append(_name(name, colour, middle))
        parts.extend(_dots(series, row, middle, scale.place))
    return svg_picture(_WIDTH, height, "Pixel error by keypoint", parts)


def _dots(series: Sequence[Series], row: int, middle: float, place: Callable[[float], float]) -> list[Markup]:
    values = [(one, value) for one in series if (value := one.values[row]) is not None]
    if not values:
        return [svg_text(_LEFT + 6, middle + 4, "no label", "tick")]
    reach = [place(value) for _, value in values]
    parts = [svg_line(min(reach), middle, max(reach), middle, "axis")]
    form = Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="5"><title>{}: {:.2f} px</title></circle>')
    parts.extend(form.format(one.kind, place(value), middle, one.label, value) for one, value in values)
    return parts


def _name(name: str, colour: str, middle: float) -> Markup:
    short = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
    dot = Markup('<circle cx="{}" cy="{:.1f}" r="4.5" fill="{}"/>').format(_LEFT - 12, middle, colour)
    return dot + svg_text(_LEFT - 24, middle + 4, short, "name end")


def _key(series: Sequence[Series]) -> Markup:
    parts, left = [], float(_LEFT)
    for one in series:
        parts.append(Markup('<circle class="dot {}" cx="{:.1f}" cy="11" r="5"/>').format(one.kind, left + 5))
        parts.append(svg_text(left + 16, 15, one.label, "name"))
        left += 40 + _LETTER * len(one.label)
    return Markup("").join(parts)


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
