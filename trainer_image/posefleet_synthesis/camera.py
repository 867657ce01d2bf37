"""Cameras far away: parallel projections from the world to pixels of the frame."""

from dataclasses import dataclass

import numpy as np

from posefleet_synthesis.numbers import Array, normalised


@dataclass(frozen=True)
class Camera:
    """A parallel projection. A point's image coordinates are linear in its world coordinates, so the points of
    one body part in any number of such views span three dimensions and no more."""

    axes: Array
    """(3, 3) rows: right, down, towards the camera; unit vectors in the world."""
    pixels_per_unit: float
    origin: tuple[float, float]
    """The world's origin in pixels of the frame."""
    rows: tuple[int, int]
    """First row of the frame that shows this view, and the row after the last one."""

    def project(self, points: Array) -> Array:
        """(..., 3) world to (..., 3): x, y in pixels of the frame, and depth in pixels, larger is nearer."""
        seen = points @ self.axes.T * self.pixels_per_unit
        seen[..., 0] += self.origin[0]
        seen[..., 1] += self.origin[1]
        result: Array = seen
        return result

    def unproject(self, seen: Array) -> Array:
        """The inverse of ``project``."""
        moved = seen.copy()
        moved[..., 0] -= self.origin[0]
        moved[..., 1] -= self.origin[1]
        result: Array = moved / self.pixels_per_unit @ self.axes
        return result


def looking(towards: Array, right: Array, **placement: object) -> Camera:
    """A camera that looks along ``towards`` with world direction ``right`` (about) to the right of its picture."""
    near = -normalised(towards)
    across = normalised(right - (right @ near) * near)
    down = -np.cross(near, across)
    return Camera(np.stack([across, down, near]), **placement)  # type: ignore[arg-type]


def two_views(size: int, seed_shift: float = 0.0) -> tuple[Camera, Camera]:
    """The side view in the upper half of a square frame, the view from below (a mirror) in the lower half.

    Args:
        size: side of the frame in pixels.
        seed_shift: a small change of the cameras' angles, so that recordings differ as real rigs do.
    """
    scale = size / 256.0
    half = size // 2
    side = looking(
        np.array([0.06 + seed_shift, 1.0, -0.10]),
        np.array([1.0, 0.0, 0.0]),
        pixels_per_unit=1.13 * scale,
        origin=(137.0 * scale, 103.0 * scale),
        rows=(0, half - 2),
    )
    below = looking(
        np.array([0.03 - seed_shift, -0.05, 1.0]),
        np.array([1.0, 0.02, 0.0]),
        pixels_per_unit=1.10 * scale,
        origin=(139.0 * scale, 190.0 * scale),
        rows=(half + 2, size),
    )
    return side, below
