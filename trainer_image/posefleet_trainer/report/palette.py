"""The colours of keypoints, chosen so that people with any kind of colour vision can tell them apart.

The first six are those of Okabe and Ito (jfly.uni-koeln.de/color). Each further colour is the candidate whose smallest
distance to all earlier ones is largest. The distance is Euclidean in Oklab (Ottosson 2020), and the smallest of three:
for normal vision, protanopia and deuteranopia (Machado et al. 2009).
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

_FIRST: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
)
#: The range of Oklab lightness in which a colour is legible both on white and on black.
_LIGHTNESS = (0.5, 0.82)
#: Values of each channel among the candidates.
_STEPS = 16

_LINEAR_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_CONES_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
_DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
_VISIONS = (np.eye(3), _PROTANOPIA, _DEUTERANOPIA)


def keypoint_colours(count: int) -> list[Colour]:
    """Return ``count`` colours. A longer list begins with the shorter one, so colours do not depend on the count."""
    return list(_colours(max(count, len(_FIRST)))[:count])


def hexadecimal(colour: Colour) -> str:
    """Return the colour as CSS has it, such as ``#e69f00``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def separation(colours: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the distances (n, m) of ``colours`` (n, 3) and ``others`` (m, 3), for the weakest vision."""
    distances = [
        np.linalg.norm(_oklab(colours, vision)[:, None] - _oklab(others, vision)[None], axis=-1) for vision in _VISIONS
    ]
    return np.asarray(np.min(distances, axis=0), dtype=np.float64)


@lru_cache
def _colours(count: int) -> tuple[Colour, ...]:
    candidates = _candidates()
    chosen = [np.array(colour, dtype=np.float64) for colour in _FIRST]
    nearest = separation(candidates, np.array(chosen)).min(axis=1)
    while len(chosen) < count:
        best = int(nearest.argmax())
        chosen.append(candidates[best])
        nearest = np.minimum(nearest, separation(candidates, candidates[best][None])[:, 0])
    return tuple((int(red), int(green), int(blue)) for red, green, blue in chosen)


def _candidates() -> NDArray[np.float64]:
    axis = np.linspace(0, 255, _STEPS).round()
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = _oklab(grid, np.eye(3))[:, 0]
    legible: NDArray[np.float64] = grid[(lightness >= _LIGHTNESS[0]) & (lightness <= _LIGHTNESS[1])]
    return legible


def _oklab(colours: NDArray[np.floating], vision: NDArray[np.float64]) -> NDArray[np.float64]:
    unit = np.asarray(colours, dtype=np.float64) / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ vision.T, 0, 1)
    return np.asarray(np.cbrt(seen @ _LINEAR_TO_CONES.T) @ _CONES_TO_OKLAB.T, dtype=np.float64)
