"""Cameras, and the surface of the animal that each camera sees.

A camera is a parallel projection from the world to pixels of the frame. What it sees of a solid is found with a depth
buffer of ellipsoids, which is exact under a parallel projection.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from posefleet_synthesis.animal import Solid
from posefleet_synthesis.numbers import Array, Mask, Whole, normalised

NOTHING = -1
_FAR = -1e6


@dataclass(frozen=True)
class Camera:
    """A parallel projection from the world to pixels of the frame.

    Image coordinates are linear in world coordinates, so the points of one body part in any number of such views span
    at most three dimensions.
    """

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
        """Return world coordinates (..., 3) of what ``project`` returned."""
        moved = seen.copy()
        moved[..., 0] -= self.origin[0]
        moved[..., 1] -= self.origin[1]
        result: Array = moved / self.pixels_per_unit @ self.axes
        return result


def camera_towards(towards: Array, right: Array, **placement: object) -> Camera:
    """Return a camera that looks along ``towards`` and shows the world direction ``right`` roughly to the right."""
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
    side = camera_towards(
        np.array([0.06 + seed_shift, 1.0, -0.10]),
        np.array([1.0, 0.0, 0.0]),
        pixels_per_unit=1.13 * scale,
        origin=(137.0 * scale, 103.0 * scale),
        rows=(0, half - 2),
    )
    below = camera_towards(
        np.array([0.03 - seed_shift, -0.05, 1.0]),
        np.array([1.0, 0.02, 0.0]),
        pixels_per_unit=1.10 * scale,
        origin=(139.0 * scale, 190.0 * scale),
        rows=(half + 2, size),
    )
    return side, below


@dataclass(frozen=True)
class Surface:
    """What a view sees of a solid, at ``oversampling`` samples a pixel along each axis."""

    depth: Array
    """(h, w) larger is nearer; very small where nothing is."""
    part: Whole
    """(h, w) number of the ellipsoid, or ``NOTHING``."""
    normal: Array
    """(h, w, 3) in the camera's axes: right, down, towards the camera."""
    oversampling: int
    first_row: int

    @property
    def covered(self) -> Mask:
        """(h, w) where something is."""
        result: Mask = self.part >= 0
        return result

    def sample_of(self, seen: Array) -> Array:
        """Frame coordinates (..., 2) as sample coordinates of this view."""
        shifted = seen[..., :2] - np.array([0.0, self.first_row])
        result: Array = (shifted + 0.5) * self.oversampling - 0.5
        return result


def surface(solid: Solid, camera: Camera, width: int, oversampling: int) -> Surface:
    """Find the nearest surface of ``solid`` at every sample of a view that is ``width`` pixels wide."""
    height = (camera.rows[1] - camera.rows[0]) * oversampling
    depth = np.full((height, width * oversampling), _FAR, dtype=np.float64)
    part = np.full(depth.shape, NOTHING, dtype=np.int32)
    empty = Surface(depth, part, np.empty(0), oversampling, camera.rows[0])
    seen = camera.project(solid.centres)
    seen[:, :2] = empty.sample_of(seen)
    seen[:, 2] *= oversampling
    shapes = camera.axes @ solid.shapes * (camera.pixels_per_unit * oversampling)
    covariance = shapes @ shapes.transpose(0, 2, 1)
    quadrics = np.linalg.inv(covariance).astype(np.float64)
    extents = np.sqrt(covariance[:, (0, 1), (0, 1)])
    for index in range(len(seen)):
        _draw(depth, part, seen[index], quadrics[index], extents[index], index)
    normal = _normals(depth, part, seen, quadrics)
    return Surface(depth / oversampling, part, normal, oversampling, camera.rows[0])


def _draw(depth: Array, part: Whole, centre: Array, quadric: Array, extent: Array, index: int) -> None:
    """Draw one ellipsoid: at offset (u, v) its near surface solves the quadric for the depth."""
    height, width = depth.shape
    left, top = np.maximum(np.ceil(centre[:2] - extent), 0).astype(int)
    right, bottom = np.minimum(np.floor(centre[:2] + extent) + 1, (width, height)).astype(int)
    if left >= right or top >= bottom:
        return
    u = np.arange(left, right) - centre[0]
    v = (np.arange(top, bottom) - centre[1])[:, None]
    a, b = quadric[2, 2], quadric[0, 2] * u + quadric[1, 2] * v
    c = quadric[0, 0] * u * u + 2.0 * quadric[0, 1] * u * v + quadric[1, 1] * v * v - 1.0
    discriminant = b * b - a * c
    near = centre[2] + (np.sqrt(np.maximum(discriminant, 0.0)) - b) / a
    area = (slice(top, bottom), slice(left, right))
    wins = (discriminant > 0.0) & (near > depth[area])
    depth[area][wins] = near[wins]
    part[area][wins] = index


def _normals(depth: Array, part: Whole, seen: Array, quadrics: Array) -> Array:
    rows, columns = np.nonzero(part >= 0)
    index = part[rows, columns]
    offset = np.stack([columns, rows, depth[rows, columns]], axis=1) - seen[index]
    normal = np.zeros((*depth.shape, 3), dtype=np.float32)
    normal[rows, columns] = normalised(np.einsum("nij,nj->ni", quadrics[index], offset))
    # Neighbouring ellipsoids meet in creases that skin does not have.
    smooth = cv2.GaussianBlur(normal, (0, 0), 2.2)
    result = np.zeros((*depth.shape, 3))
    result[rows, columns] = normalised(smooth[rows, columns])
    return result
