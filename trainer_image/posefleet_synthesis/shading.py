"""The colours of a visible surface: fur, skin and eyes under a lamp, and the hairs that break the outline."""

from dataclasses import dataclass

import cv2
import numpy as np

from posefleet_synthesis.animal import Material, Pose, Solid
from posefleet_synthesis.appearance import Appearance, brushed, clouds, sample_texture
from posefleet_synthesis.camera import Camera, Surface
from posefleet_synthesis.numbers import Array, Whole, normalised, smooth_step

_HAIRS = 1500
_GRAIN_PER_UNIT = 2.2
_FURRED = (Material.TRUNK, Material.HEAD, Material.LEG)
#: The direction to the lamp of the view from below, which stands beside the camera.
_BELOW_LIGHT = (-0.25, -0.35, 0.9)


@dataclass(frozen=True)
class Coat:
    """The fur of one animal: a grain that is fixed to the body, and single hairs that break its outline."""

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
        fine = sample_texture(self.strands, rows, columns)
        broad = sample_texture(self.patches, rows * 0.5, columns * 0.7)
        result: Array = 0.55 * fine + 0.9 * broad
        return result


def grow_coat(source: np.random.Generator) -> Coat:
    """Draw the fur of one animal at random from ``source``."""
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


def shade(
    view: Surface, solid: Solid, pose: Pose, camera: Camera, appearance: Appearance, coat: Coat, below: bool
) -> Array:
    """Return the colours of the view as (h, w, 3), black where the animal is not."""
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
