"""The one convention of coordinates, and every conversion between the three grids that use it.

Points are (x, y) with pixel centres at integers: x = 0 is the centre of the leftmost pixel, so a picture of width
``w`` reaches from -0.5 to w - 0.5. The grids are the source frame, the image that the network sees, and the heatmap.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

#: Image pixels a heatmap pixel, along each axis.
HEATMAP_STRIDE = 4

Points = TypeVar("Points", torch.Tensor, np.ndarray)


@dataclass(frozen=True)
class Grid:
    """The size of a picture in pixels."""

    height: int
    width: int

    @property
    def heatmap(self) -> "Grid":
        """The heatmaps of an image of this size."""
        return Grid(self.height // HEATMAP_STRIDE, self.width // HEATMAP_STRIDE)

    def ratio_to(self, target: "Grid") -> tuple[float, float]:
        """Pixels of ``target`` a pixel of this grid, along x and y."""
        return target.width / self.width, target.height / self.height


def rescale(points: Points, ratio: Points) -> Points:
    """``points`` (..., xy) on a grid that has ``ratio`` (broadcastable, xy) times as many pixels along each axis."""
    rescaled: Points = (points + 0.5) * ratio - 0.5
    return rescaled


def between(points: Points, source: Grid, target: Grid) -> Points:
    """``points`` (..., xy) of the ``source`` grid on the ``target`` grid; both show the same picture."""
    ratio = source.ratio_to(target)
    if isinstance(points, torch.Tensor):
        return rescale(points, points.new_tensor(ratio))
    rescaled: Points = rescale(points, np.asarray(ratio, dtype=points.dtype))
    return rescaled
