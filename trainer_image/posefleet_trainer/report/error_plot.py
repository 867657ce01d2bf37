"""The pixel error of every keypoint in every set as one plot of dots."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from posefleet_trainer.report.svg import svg_line, svg_picture, svg_text
from posefleet_trainer.report.scales import linear_scale, readable, ticks

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
