"""Drawing of poses and of the legend that names their keypoints, for labelled videos and the pictures of the page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from posefleet_trainer.dataset.prepared import keypoint_numbers
from posefleet_trainer.report.palette import Colour, keypoint_colours
from posefleet_trainer.video.decode import Image

#: Keypoints with a lower confidence are drawn hollow.
LOW_CONFIDENCE = 0.5

#: OpenCV draws at coordinates in units of 2 ** -_SHIFT pixels.
_SHIFT = 4
_OUTLINE: Colour = (15, 15, 15)
#: Opacity of the lines of the skeleton that end at a keypoint of low confidence.
_FAINT = 0.45

_BACKGROUND: Colour = (18, 18, 20)
_TEXT: Colour = (232, 232, 236)
_QUIET: Colour = (150, 150, 158)
_LONGEST_NAME = 28
_MOST_COLUMNS = 3
#: Height of a row of the legend, in multiples of the text size.
_ROW = 1.6

Points = NDArray[np.floating]


@dataclass(frozen=True)
class Style:
    """The look of the keypoints, the same in all pictures, charts and videos of a job."""

    colours: Sequence[Colour]
    """The colour of each keypoint."""
    skeleton: Sequence[tuple[int, int]]
    """Pairs of keypoints that are connected by a line."""


def keypoint_style(names: Sequence[str], skeleton: Sequence[Sequence[str | int]]) -> Style:
    """Choose a colour for each keypoint, and look up the keypoints of ``dataset.skeleton``.

    Raises:
        InvalidInput: The skeleton names a keypoint that the labels do not have.
    """
    pairs = [keypoint_numbers(pair, names, "dataset.skeleton") for pair in skeleton]
    return Style(keypoint_colours(len(names)), [(first, second) for first, second in pairs])


def draw_pose(image: Image, points: Points, confidence: NDArray[np.floating], style: Style, radius: float) -> None:
    """Draw a pose into an image.

    Keypoints of low confidence are drawn hollow, and the lines that end at them faint.

    Args:
        image: (height, width, 3), RGB; it is changed.
        points: (keypoint, xy) in pixels of ``image``. Keypoints with NaN are not drawn.
        confidence: (keypoint,) from 0 to 1.
        style: The colours and the skeleton.
        radius: The radius of a keypoint's mark in pixels.
    """
    visible = np.asarray(np.isfinite(points).all(axis=-1), dtype=np.bool_)
    sure = confidence >= LOW_CONFIDENCE
    if (doubtful := visible & ~sure).any():
        faint = image.copy()
        _draw_bones(faint, points, visible, style, [not (sure[a] and sure[b]) for a, b in style.skeleton], radius)
        cv2.addWeighted(faint, _FAINT, image, 1 - _FAINT, 0, dst=image)
    _draw_bones(image, points, visible, style, [bool(sure[a] and sure[b]) for a, b in style.skeleton], radius)
    for keypoint in np.flatnonzero(doubtful).tolist():
        _ring(image, points[keypoint], style.colours[keypoint], radius)
    for keypoint in np.flatnonzero(visible & sure).tolist():
        draw_dot(image, points[keypoint], style.colours[keypoint], radius)


def draw_label(image: Image, label: Points, point: Points, colour: Colour, radius: float) -> None:
    """Draw a cross at the label of a keypoint, and a line from there to the predicted point."""
    if not np.isfinite(label).all():
        return
    if np.isfinite(point).all():
        cv2.line(image, _fixed(label), _fixed(point), colour, max(1, round(radius / 4)), cv2.LINE_AA, _SHIFT)
    for shade, thickness in ((_OUTLINE, radius * 0.9), ((255, 255, 255), radius * 0.4)):
        for direction in (np.array([1.0, 1.0]), np.array([1.0, -1.0])):
            ends = _fixed(label - direction * radius), _fixed(label + direction * radius)
            cv2.line(image, *ends, shade, max(1, round(thickness)), cv2.LINE_AA, _SHIFT)


def draw_dot(image: Image, point: Points, colour: Colour, radius: float) -> None:
    """Draw a disc with a dark outline, which stands out from any background."""
    cv2.circle(image, _fixed(point), _length(radius + max(1.0, radius / 4)), _OUTLINE, -1, cv2.LINE_AA, _SHIFT)
    cv2.circle(image, _fixed(point), _length(radius), colour, -1, cv2.LINE_AA, _SHIFT)


def _ring(image: Image, point: Points, colour: Colour, radius: float) -> None:
    cv2.circle(image, _fixed(point), _length(radius), colour, max(1, round(radius / 3)), cv2.LINE_AA, _SHIFT)


def _draw_bones(
    image: Image, points: Points, visible: NDArray[np.bool_], style: Style, drawn: Iterable[bool], radius: float
) -> None:
    thickness = max(1, round(radius * 0.6))
    for (first, second), is_drawn in zip(style.skeleton, drawn, strict=True):
        if is_drawn and visible[first] and visible[second]:
            colour = _mixed(style.colours[first], style.colours[second])
            ends = _fixed(points[first]), _fixed(points[second])
            cv2.line(image, *ends, colour, thickness, cv2.LINE_AA, _SHIFT)


def _mixed(first: Colour, second: Colour) -> Colour:
    return ((first[0] + second[0]) // 2, (first[1] + second[1]) // 2, (first[2] + second[2]) // 2)


def _fixed(point: Points) -> tuple[int, int]:
    """Convert to OpenCV's fixed-point numbers, with a limit for points that lie far outside of the image."""
    x, y = (np.clip(point, -1e4, 1e5) * (1 << _SHIFT)).round()
    return int(x), int(y)


def _length(pixels: float) -> int:
    return round(pixels * (1 << _SHIFT))


def legend(keypoints: Sequence[str], colours: Sequence[Colour], height: int, size: int, note: str) -> tuple[Image, int]:
    """Draw a panel that lists the keypoints with their colours.

    Names that do not fit into three columns are counted instead of listed.

    Args:
        keypoints: The names of the keypoints.
        colours: Their colours.
        height: The height of the panel in pixels.
        size: The size of the text in pixels.
        note: A line at the bottom.

    Returns:
        The panel (height, width, 3), and the height of the empty strip at its top, in which ``write_heading`` writes.
    """
    row, margin = round(size * _ROW), size
    top = round(size * 3.4)
    rows = max(1, (height - top - 2 * row) // row)
    shown = _shown(keypoints, rows * _MOST_COLUMNS)
    columns = [range(start, min(start + rows, len(shown))) for start in range(0, len(shown), rows)]
    widths = [max(_width(shown[place], size) for place in column) + round(size * 2.4) for column in columns]
    panel = Pictures.new("RGB", (max(sum(widths), _width(note, size)) + 2 * margin, height), _BACKGROUND)
    pen = ImageDraw.Draw(panel)
    left = margin
    for column, width in zip(columns, widths, strict=True):
        for line, place in enumerate(column):
            middle = top + line * row + row // 2
            if place < len(keypoints) and shown[place] == _short(keypoints[place]):
                dot = (left, middle - size * 0.35, left + size * 0.7, middle + size * 0.35)
                pen.ellipse(dot, fill=colours[place])
            pen.text((left + size * 1.2, middle), shown[place], _TEXT, font(size), anchor="lm")
        left += width
    pen.text((margin, height - row), note, _QUIET, font(round(size * 0.85)), anchor="lm")
    return np.array(panel), top


def write_heading(panel: Image, top: int, size: int, frame: int, seconds: float) -> None:
    """Write number and time of a frame into the first ``top`` rows of a legend; ``panel`` is changed."""
    heading = Pictures.new("RGB", (panel.shape[1], top), _BACKGROUND)
    pen = ImageDraw.Draw(heading)
    pen.text((size, round(size * 1.0)), f"frame {frame}", _TEXT, font(size), anchor="lm")
    pen.text((size, round(size * 2.3)), f"{seconds:.2f} s", _QUIET, font(round(size * 0.85)), anchor="lm")
    panel[:top] = np.asarray(heading)


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which covers Latin, Greek, Cyrillic, Arabic and other alphabets, at a size in pixels."""
    return ImageFont.truetype(str(Path(__file__).with_name("fonts") / "DejaVuSans.ttf"), size)


def _shown(keypoints: Sequence[str], most: int) -> list[str]:
    names = [_short(name) for name in keypoints]
    if len(names) <= most:
        return names
    return [*names[: most - 1], f"and {len(names) - most + 1} more"]


def _short(name: str) -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in name)
    return plain if len(plain) <= _LONGEST_NAME else plain[: _LONGEST_NAME - 1] + "…"


def _width(text: str, size: int) -> int:
    return int(np.ceil(font(size).getlength(text)))
