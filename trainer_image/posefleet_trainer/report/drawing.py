"""Poses drawn into pictures, for videos and page alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posefleet_trainer.report.palette import Colour
from posefleet_trainer.video.resize import Image

#: Below it a keypoint is drawn hollow.
LOW_CONFIDENCE = 0.5

_SHIFT = 4
_OUTLINE: Colour = (15, 15, 15)
_FAINT = 0.45

Points = NDArray[np.floating]


@dataclass(frozen=True)
class Style:
    """How the keypoints of one data set look."""

    colours: Sequence[Colour]
    """One a keypoint."""
    skeleton: Sequence[tuple[int, int]]
    """Pairs of keypoints that a line joins."""


def draw_pose(image: Image, points: Points, confidence: NDArray[np.floating], style: Style, radius: float) -> None:
    """Draw a pose (keypoint, xy), in pixels of ``image``, into it; what the network doubts is hollow, its lines
    faint. ``radius`` is that of a keypoint's mark in pixels."""
    seen = np.asarray(np.isfinite(points).all(axis=-1), dtype=np.bool_)
    sure = confidence >= LOW_CONFIDENCE
    if (doubted := seen & ~sure).any():
        faint = image.copy()
        _draw_bones(faint, points, seen, style, [not (sure[a] and sure[b]) for a, b in style.skeleton], radius)
        cv2.addWeighted(faint, _FAINT, image, 1 - _FAINT, 0, dst=image)
    _draw_bones(image, points, seen, style, [bool(sure[a] and sure[b]) for a, b in style.skeleton], radius)
    for keypoint in np.flatnonzero(doubted).tolist():
        _ring(image, points[keypoint], style.colours[keypoint], radius)
    for keypoint in np.flatnonzero(seen & sure).tolist():
        draw_dot(image, points[keypoint], style.colours[keypoint], radius)


def draw_label(image: Image, label: Points, point: Points, colour: Colour, radius: float) -> None:
    """A cross where a person saw the keypoint, and a line from it to where the network did."""
    if not np.isfinite(label).all():
        return
    if np.isfinite(point).all():
        cv2.line(image, _fixed(label), _fixed(point), colour, max(1, round(radius / 4)), cv2.LINE_AA, _SHIFT)
    for shade, thickness in ((_OUTLINE, radius * 0.9), ((255, 255, 255), radius * 0.4)):
        for direction in (np.array([1.0, 1.0]), np.array([1.0, -1.0])):
            ends = _fixed(label - direction * radius), _fixed(label + direction * radius)
            cv2.line(image, *ends, shade, max(1, round(thickness)), cv2.LINE_AA, _SHIFT)


def draw_dot(image: Image, point: Points, colour: Colour, radius: float) -> None:
    """A filled disc with a dark rim, so that it stands out from any ground."""
    cv2.circle(image, _fixed(point), _length(radius + max(1.0, radius / 4)), _OUTLINE, -1, cv2.LINE_AA, _SHIFT)
    cv2.circle(image, _fixed(point), _length(radius), colour, -1, cv2.LINE_AA, _SHIFT)


def _ring(image: Image, point: Points, colour: Colour, radius: float) -> None:
    cv2.circle(image, _fixed(point), _length(radius), colour, max(1, round(radius / 3)), cv2.LINE_AA, _SHIFT)


def _draw_bones(
    image: Image, points: Points, seen: NDArray[np.bool_], style: Style, wanted: Iterable[bool], radius: float
) -> None:
    thickness = max(1, round(radius * 0.6))
    for (first, second), is_wanted in zip(style.skeleton, wanted, strict=True):
        if is_wanted and seen[first] and seen[second]:
            colour = _mixed(style.colours[first], style.colours[second])
            ends = _fixed(points[first]), _fixed(points[second])
            cv2.line(image, *ends, colour, thickness, cv2.LINE_AA, _SHIFT)


def _mixed(first: Colour, second: Colour) -> Colour:
    return ((first[0] + second[0]) // 2, (first[1] + second[1]) // 2, (first[2] + second[2]) // 2)


def _fixed(point: Points) -> tuple[int, int]:
    """In sixteenths of a pixel, as OpenCV wants; far outside is as good as outside."""
    x, y = (np.clip(point, -1e4, 1e5) * (1 << _SHIFT)).round()
    return int(x), int(y)


def _length(pixels: float) -> int:
    return round(pixels * (1 << _SHIFT))
