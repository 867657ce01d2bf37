"""Text in pictures, in a typeface that has most scripts, for names that people gave."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from posefleet_trainer.report.palette import Colour
from posefleet_trainer.video.resize import Image

_GROUND: Colour = (18, 18, 20)
_TEXT: Colour = (232, 232, 236)
_QUIET: Colour = (150, 150, 158)
_LONGEST_NAME = 28
_MOST_COLUMNS = 3
_ROW = 1.6
"""Height of a row in text sizes."""


def legend(keypoints: Sequence[str], colours: Sequence[Colour], height: int, size: int, note: str) -> tuple[Image, int]:
    """A panel of the given height that names the keypoints, and the height of its free top, for a heading.

    ``note`` stands at its foot, and ``size`` is that of the text in pixels. What does not fit into three columns is
    counted, not shown.
    """
    row, margin = round(size * _ROW), size
    top = round(size * 3.4)
    rows = max(1, (height - top - 2 * row) // row)
    shown = _shown(keypoints, rows * _MOST_COLUMNS)
    columns = [range(start, min(start + rows, len(shown))) for start in range(0, len(shown), rows)]
    widths = [max(_width(shown[place], size) for place in column) + round(size * 2.4) for column in columns]
    panel = Pictures.new("RGB", (max(sum(widths), _width(note, size)) + 2 * margin, height), _GROUND)
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
    """Which frame it is, in the first ``top`` rows of a legend."""
    heading = Pictures.new("RGB", (panel.shape[1], top), _GROUND)
    pen = ImageDraw.Draw(heading)
    pen.text((size, round(size * 1.0)), f"frame {frame}", _TEXT, font(size), anchor="lm")
    pen.text((size, round(size * 2.3)), f"{seconds:.2f} s", _QUIET, font(round(size * 0.85)), anchor="lm")
    panel[:top] = np.asarray(heading)


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has the letters of most languages that are written with an alphabet."""
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
