"""Coordinates of points, and their conversion between source frame, network image and heatmap.

Points are (x, y) with pixel centres at integers: x = 0 is the centre of the leftmost pixel, so a picture of width
``w`` reaches from -0.5 to w - 0.5. All three grids follow this convention: the source frame as it was recorded, the
image that the network reads, and the heatmap that it writes.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from posefleet_api.model import Model

#: Image pixels per heatmap pixel, along each axis.
HEATMAP_STRIDE = 4

Points = TypeVar("Points", torch.Tensor, np.ndarray)


@dataclass(frozen=True)
class Grid:
    """The size of a picture in pixels."""

    height: int
    width: int

    @property
    def heatmap(self) -> "Grid":
        """The size of the heatmaps that the network computes for an image of this size."""
        return Grid(self.height // HEATMAP_STRIDE, self.width // HEATMAP_STRIDE)

    def ratio_to(self, target: "Grid") -> tuple[float, float]:
        """Return how many pixels of ``target`` make up one pixel of this grid, along x and y."""
        return target.width / self.width, target.height / self.height


def image_grid(model: Model) -> Grid:
    """Return the size of the images that the network of ``model`` reads."""
    return Grid(model.image_size.height, model.image_size.width)


def rescale(points: Points, ratio: Points) -> Points:
    """Move points to a grid of another resolution that shows the same picture.

    Args:
        points: (..., xy) in pixels of the present grid.
        ratio: (xy), or any shape that broadcasts against ``points``: pixels of the new grid per present pixel.

    Returns:
        Points (..., xy) in pixels of the new grid. The half pixels keep the picture's corners at its corners.
    """
    rescaled: Points = (points + 0.5) * ratio - 0.5
    return rescaled


def between(points: Points, source: Grid, target: Grid) -> Points:
    """Move ``points`` (..., xy) from the ``source`` grid to the ``target`` grid, which shows the same picture.

    Tensors keep their gradient, their type and their device; arrays keep their type.
    """
    ratio = source.ratio_to(target)
    if isinstance(points, torch.Tensor):
        return rescale(points, points.new_tensor(ratio))
    rescaled: Points = rescale(points, np.asarray(ratio, dtype=points.dtype))
    return rescaled
