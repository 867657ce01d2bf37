"""Cameras far away: parallel projections from the world to pixels of the frame."""

from dataclasses import dataclass

import cv2
import numpy as np

from posefleet_synthesis.animal import Material, Pose, Solid
from posefleet_synthesis.appearance import Appearance, brushed, clouds, looked_up
from posefleet_synthesis.numbers import Array, Mask, Whole, normalised, smooth_step


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


NOTHING = -1
_FAR = -1e6


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
    """The nearest surface of ``solid`` at every sample of a view that is ``width`` pixels wide."""
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


#: The mirror's lamp stands beside the camera.
_BELOW_LIGHT = (-0.25, -0.35, 0.9)


def shade(
    view: Surface, solid: Solid, pose: Pose, camera: Camera, appearance: Appearance, coat: Coat, below: bool
) -> Array:
    """(h, w, 3) colours of the view, black where nothing is."""
    rows, columns = np.nonzero(view.covered)
    points = _world_points(view, camera, rows, columns)
    normal = view.normal[rows, columns]
    materials = solid.materials[view.part[rows, columns]]
    albedo = _albedo(points, normal @ camera.axes, materials, pose, appearance, coat)
    lamp = normalised(np.array(_BELOW_LIGHT if below else appearance.light))
    lit = np.clip(normal @ lamp, 0.0, 1.0)
    facing = np.clip(normal[:, 2], 0.0, 1.0)
    strength = appearance.ambient + (1.05 - appearance.ambient) * lit
    strength *= (0.72 + 0.28 * smooth_step(0.0, 0.55, facing)) * _open_sky(view)[rows, columns]
    if below:
        strength *= 1.16 * np.exp(-np.clip(points[:, 2], 0.0, None) / 75.0)
    colours = albedo * strength[:, None] + _glints(normal, lamp, materials)[:, None]
    picture = np.zeros((*view.depth.shape, 3))
    picture[rows, columns] = colours
    return picture


def _world_points(view: Surface, camera: Camera, rows: Whole, columns: Whole) -> Array:
    seen = np.stack(
        [
            (columns + 0.5) / view.oversampling - 0.5,
            (rows + 0.5) / view.oversampling - 0.5 + view.first_row,
            view.depth[rows, columns],
        ],
        axis=1,
    )
    return camera.unproject(seen)


def _albedo(points: Array, normal: Array, materials: Array, pose: Pose, appearance: Appearance, coat: Coat) -> Array:
    local = (points - pose.trunk_origin) @ pose.trunk_axes
    pale = smooth_step(0.25, -0.75, 0.75 * normal[:, 2] + 0.02 * local[:, 2])[:, None]
    fur = (1.0 - pale) * np.array(appearance.back) + pale * np.array(appearance.belly)
    fur = fur * (1.0 + appearance.grain * np.clip(coat.grain(local), -1.6, 1.6))[:, None]
    skin = np.array(appearance.skin)
    rings = 1.0 - 0.10 * (np.sin(2.4 * np.linalg.norm(points - pose.tail[0], axis=1)) > 0.3)
    palette = {
        Material.LEG: fur * 0.96,
        Material.PAW: np.broadcast_to(skin, fur.shape),
        Material.TAIL: skin * 0.86 * rings[:, None],
        Material.EAR: 0.55 * skin + 0.45 * fur,
        Material.NOSE: np.broadcast_to(skin * 0.92, fur.shape),
        Material.EYE: np.broadcast_to(np.array(appearance.eye), fur.shape),
    }
    snout = smooth_step(21.0, 30.0, (points - pose.head[0]) @ pose.head_axes[:, 0])[:, None]
    albedo: Array = np.where((materials == Material.HEAD)[:, None], fur * (1 - 0.4 * snout) + 0.4 * snout * skin, fur)
    for material, colour in palette.items():
        albedo = np.where((materials == material)[:, None], colour, albedo)
    return albedo


def _open_sky(view: Surface) -> Array:
    """(h, w) below 1 where the surroundings stand nearer to the camera, as in the folds under the belly."""
    scale = view.oversampling
    depth = np.where(view.covered, view.depth, view.depth[view.covered].min() if view.covered.any() else 0.0)
    coarse = cv2.resize(depth.astype(np.float32), None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
    around = cv2.resize(cv2.GaussianBlur(coarse, (0, 0), 5.0), depth.shape[::-1], interpolation=cv2.INTER_LINEAR)
    result: Array = 1.0 - 0.42 * smooth_step(0.0, 16.0, around - depth)
    return result


def _glints(normal: Array, lamp: Array, materials: Array) -> Array:
    half = normalised(lamp + np.array([0.0, 0.0, 1.0]))
    shine = np.clip(normal @ half, 0.0, 1.0)
    result: Array = np.where(materials == Material.EYE, 0.9 * shine**40, 0.0)
    result += np.where(materials == Material.NOSE, 0.25 * shine**12, 0.0)
    return result
