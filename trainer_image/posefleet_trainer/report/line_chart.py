"""Line charts as SVG: the elements that they consist of, the scales of their axes, and the charts themselves.

Coordinates are pixels of the chart, with the origin at the top left. All texts are escaped.
"""

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

Numbers = NDArray[np.floating]

#: The margins of a chart in pixels.
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 24, 20
_LABEL_HEIGHT = 15


def svg_picture(width: int, height: int, label: str, parts: Iterable[Markup]) -> Markup:
    """Return an ``<svg>`` element that scales with the width of the page; ``label`` describes it to screen readers."""
    head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(width, height, label)
    return head + Markup("").join(parts) + Markup("</svg>")


def svg_line(x1: float, y1: float, x2: float, y2: float, css_class: str) -> Markup:
    """Return a line from (x1, y1) to (x2, y2)."""
    form = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    return form.format(css_class, x1, y1, x2, y2)


def svg_text(x: float, y: float, text: str, css_class: str) -> Markup:
    """Return a text whose baseline begins at (x, y), or has its middle or its end there if the class says so."""
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(css_class, x, y, text)


@dataclass(frozen=True)
class Scale:
    """Maps the values ``low`` to ``high`` to the coordinates ``start`` to ``stop``, linearly or by their logarithms."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def places(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the coordinates of several values; NaN for NaN, and for values that have no logarithm."""
        numbers = np.asarray(values, dtype=np.float64)
        if self.logarithmic:
            positive = np.where(numbers > 0, numbers, np.nan)
            low, high = math.log(self.low), math.log(self.high)
            share = (np.log(positive) - low) / (high - low)
        else:
            share = (numbers - self.low) / (self.high - self.low)
        return np.asarray(self.start + share * (self.stop - self.start), dtype=np.float64)

    def place(self, value: float) -> float:
        """Return the coordinate of one value."""
        return float(self.places(np.array(value)))


def linear_scale(values: tuple[float, float], places: tuple[float, float]) -> Scale:
    """Return a linear scale from the smallest to the largest value; if they are equal, the value is in the middle."""
    low, high = values
    if high - low <= 1e-12 * max(abs(low), abs(high)) or high == low:
        half = abs(low) / 2 or 0.5
        low, high = low - half, high + half
    return Scale(low, high, *places)


def log_scale(values: tuple[float, float], places: tuple[float, float]) -> Scale:
    """Return a logarithmic scale with a small margin; the values must be above 0."""
    # Smaller numbers are subnormal, and dividing by them overflows.
    low, high = (max(value, sys.float_info.min * 2) for value in values)
    return Scale(low / 1.15, min(high, sys.float_info.max / 2) * 1.15, *places, logarithmic=True)


def ticks(scale: Scale, about: int) -> list[float]:
    """Return round values on a scale, ``about`` as many as asked for."""
    if scale.logarithmic:
        return _log_ticks(scale, about)
    step = _round_step((scale.high - scale.low) / about)
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def format_number(value: float) -> str:
    """Return a short text such as ``0.002``, ``15``, ``20k`` or ``1e-05``."""
    if abs(value) < 1e-12:
        return "0"
    if abs(value) >= 10_000:
        return f"{value / 1000:.6g}k"
    return f"{value:.4g}"


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def _log_ticks(scale: Scale, about: int) -> list[float]:
    powers = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        found = [factor * 10.0**power for power in powers for factor in factors]
        found = [value for value in found if scale.low <= value <= scale.high]
        if len(found) >= 2:
            break
    every = max(1, math.ceil(len(found) / (about + 1)))
    return found[::every]


@dataclass(frozen=True)
class Line:
    """A curve; NaN leaves a gap."""

    x: Numbers
    y: Numbers
    colour: str
    """Any CSS colour."""
    label: str = ""
    """The entry in the legend; a curve without a label has none."""
    width: float = 1.5


@dataclass(frozen=True)
class Band:
    """A shaded interval of the x axis."""

    start: float
    stop: float
    strength: float
    """The opacity, from 0 to 1."""


@dataclass(frozen=True)
class ReferenceLine:
    """A dashed horizontal line, such as a limit, with a label at its end."""

    y: float
    label: str


@dataclass(frozen=True)
class Chart:
    """A chart of curves over a common x axis; sizes are in pixels."""

    title: str
    lines: Sequence[Line]
    x_label: str = ""
    bands: Sequence[Band] = ()
    reference_lines: Sequence[ReferenceLine] = ()
    logarithmic: bool = False
    from_zero: bool = False
    width: int = 520
    height: int = 150
    x_range: tuple[float, float] | None = None
    """None for the range of the curves."""


def draw_chart(chart: Chart) -> Markup:
    """Draw ``chart`` as an ``<svg>`` element."""
    bottom = chart.height - _BOTTOM - (_LABEL_HEIGHT if chart.x_label else 0)
    x = linear_scale(chart.x_range or _range([line.x for line in chart.lines]), (_LEFT, chart.width - _RIGHT))
    y = _y_scale(chart, bottom)
    parts = [
        svg_text(0, 13, chart.title, "title"),
        *(_band(band, x, bottom) for band in chart.bands),
        *_axes(chart, x, y, bottom),
        *(_path(line, x, y) for line in chart.lines),
        *(_reference_line(line, y, chart.width) for line in chart.reference_lines),
        _legend(chart),
    ]
    return svg_picture(chart.width, chart.height, chart.title, parts)


def downsample(values: Numbers, most: int) -> tuple[Numbers, Numbers]:
    """Choose at most ``most`` points of a curve: the minimum and the maximum of each interval, so no spike is lost.

    Returns:
        The indices of the points, and their values.
    """
    if len(values) <= most:
        return np.arange(len(values), dtype=np.float64), values
    intervals = np.array_split(np.arange(len(values)), most // 2)
    places = [place for interval in intervals for place in _extremes(values, interval)]
    return np.array(places, dtype=np.float64), values[places]


def _extremes(values: Numbers, interval: NDArray[np.intp]) -> list[int]:
    part = values[interval]
    if np.isnan(part).all():
        return [int(interval[0])]
    return sorted({int(interval[np.nanargmin(part)]), int(interval[np.nanargmax(part)])})


def _y_scale(chart: Chart, bottom: float) -> Scale:
    low, high = _range([*(line.y for line in chart.lines), *(np.array([line.y]) for line in chart.reference_lines)])
    if chart.logarithmic and low > 0:
        return log_scale((low, high), (bottom, _TOP))
    if chart.from_zero:
        low, high = min(0.0, low), high if high > 0 else 1.0
    margin = 0.06 * (high - low)
    return linear_scale((low if chart.from_zero else low - margin, high + margin), (bottom, _TOP))


def _range(series: Sequence[Numbers]) -> tuple[float, float]:
    known = np.concatenate([np.zeros(0), *(np.asarray(one, dtype=np.float64).ravel() for one in series)])
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _axes(chart: Chart, x: Scale, y: Scale, bottom: float) -> list[Markup]:
    right = chart.width - _RIGHT
    parts = []
    for value in ticks(y, 4 if chart.height > 110 else 3):
        height = y.place(value)
        parts.append(svg_line(_LEFT, height, right, height, "grid"))
        parts.append(svg_text(_LEFT - 6, height + 3.5, format_number(value), "tick end"))
    for value in ticks(x, 6 if chart.width > 400 else 4):
        parts.append(svg_line(x.place(value), bottom, x.place(value), bottom + 4, "axis"))
        parts.append(svg_text(x.place(value), bottom + 15, format_number(value), "tick middle"))
    parts.append(svg_line(_LEFT, bottom, right, bottom, "axis"))
    if chart.x_label:
        parts.append(svg_text((_LEFT + right) / 2, chart.height - 4, chart.x_label, "tick middle"))
    return parts


def _path(line: Line, x: Scale, y: Scale) -> Markup:
    across, up = x.places(line.x), y.places(line.y)
    known = np.isfinite(across) & np.isfinite(up)
    words, pen_down = [], False
    for place in range(len(known)):
        if known[place]:
            words.append(f"{'L' if pen_down else 'M'}{across[place]:.1f} {up[place]:.1f}")
        pen_down = bool(known[place])
    data = "".join(words)
    if known.sum() == 1:
        # A path of a single point is invisible; a short line shows its round ends.
        data += "h0.01"
    return Markup('<path d="{}" stroke="{}" stroke-width="{}"/>').format(data, line.colour, line.width)


def _band(band: Band, x: Scale, bottom: float) -> Markup:
    left, right = x.place(band.start), x.place(band.stop)
    return Markup('<rect class="band" x="{:.1f}" y="{}" width="{:.1f}" height="{:.1f}" opacity="{:.2f}"/>').format(
        left, _TOP, max(0.5, right - left), bottom - _TOP, band.strength
    )


def _reference_line(line: ReferenceLine, y: Scale, width: int) -> Markup:
    height = y.place(line.y)
    drawn = svg_line(_LEFT, height, width - _RIGHT, height, "rule")
    return drawn + svg_text(width - _RIGHT - 2, height - 4, line.label, "rule-label end")


def _legend(chart: Chart) -> Markup:
    """Draw the legend at the right end of the line of the title."""
    parts, right = [], float(chart.width - _RIGHT)
    for line in reversed([line for line in chart.lines if line.label]):
        parts.append(svg_text(right, 13, line.label, "tick end"))
        right -= 6.2 * len(line.label) + 8
        parts.append(Markup('<path d="M{:.1f} 9.5h-14" stroke="{}" stroke-width="3"/>').format(right, line.colour))
        right -= 26
    return Markup("").join(parts)
