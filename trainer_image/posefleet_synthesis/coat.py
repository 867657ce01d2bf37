"""Fur: a grain that is fixed to the body, and single hairs that break the outline."""

from dataclasses import dataclass

import cv2
import numpy as np

from posefleet_synthesis.anatomy import Material, Solid
from posefleet_synthesis.body import Pose
from posefleet_synthesis.camera import Camera
from posefleet_synthesis.numbers import Array, normalised
from posefleet_synthesis.surface import Surface
from posefleet_synthesis.texture import brushed, clouds, looked_up

_HAIRS = 1500
_GRAIN_PER_UNIT = 2.2
_FURRED = (Material.TRUNK, Material.HEAD, Material.LEG)


@dataclass(frozen=True)
class Coat:
    """One animal's fur."""

    strands: Array
    """(rows, columns) fine grain along the body."""
    patches: Array
    """(rows, columns) broad lighter and darker areas."""
    choices: Array
    """(hairs,) from 0 to 1: which ellipsoid a hair grows on."""
    directions: Array
    """(hairs, 3) where on it, in the trunk's axes; unit vectors."""
    lengths: Array
    """(hairs,) world units."""
    shades: Array
    """(hairs,) brightness relative to the skin below."""

    def grain(self, local: Array) -> Array:
        """(n,) brightness pattern at points (n, 3) in the trunk's axes."""
        angle = np.arctan2(local[:, 1], local[:, 2])
        rows, columns = angle * 24.0, local[:, 0] * _GRAIN_PER_UNIT
        fine = looked_up(self.strands, rows, columns)
        broad = looked_up(self.patches, rows * 0.5, columns * 0.7)
        result: Array = 0.55 * fine + 0.9 * broad
        return result


def grow_coat(source: np.random.Generator) -> Coat:
    """A coat of its own for every state of ``source``."""
    return Coat(
        strands=brushed(source, 151, 256, length=4.0),
        patches=clouds(source, 76, 256, coarsest=32, octaves=3),
        choices=source.uniform(size=_HAIRS),
        directions=normalised(source.normal(size=(_HAIRS, 3))),
        lengths=source.uniform(2.2, 5.2, size=_HAIRS),
        shades=source.choice([0.70, 0.82, 0.94, 1.12, 1.28], size=_HAIRS),
    )


def draw_hairs(picture: Array, coat: Coat, solid: Solid, pose: Pose, camera: Camera, surface: Surface) -> None:
    """Draw the hairs that ``camera`` sees onto its view's ``picture`` (h, w, 3), in place."""
    furred = np.flatnonzero(np.isin(solid.materials, _FURRED))
    sizes = np.abs(np.linalg.det(solid.shapes[furred])) ** (2.0 / 3.0)
    ladder = np.cumsum(sizes) / sizes.sum()
    owner = furred[np.minimum(np.searchsorted(ladder, coat.choices), len(furred) - 1)]
    outward = coat.directions @ pose.trunk_axes.T
    roots = solid.centres[owner] + np.einsum("nij,nj->ni", solid.shapes[owner], outward)
    lie = normalised(0.45 * outward - pose.trunk_axes[:, 0] - 0.25 * pose.trunk_axes[:, 2])
    ends = roots + coat.lengths[:, None] * lie
    seen = camera.project(roots)
    start, stop = surface.sample_of(seen), surface.sample_of(camera.project(ends))
    height, width = surface.depth.shape
    column, row = np.rint(start[:, 0]).astype(int), np.rint(start[:, 1]).astype(int)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    column, row = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
    shown = inside & (surface.depth[row, column] < seen[:, 2] + 1.2) & surface.covered[row, column]
    colours = picture[row, column] * coat.shades[:, None]
    for index in np.flatnonzero(shown):
        line = np.rint(np.stack([start[index], stop[index]])).astype(np.int32)
        cv2.line(picture, line[0].tolist(), line[1].tolist(), colours[index].tolist(), 1)
