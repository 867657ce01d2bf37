"""The scene around the animal: wall, belt, glass, lamp, and the props that pass in front of it."""

from dataclasses import dataclass

import cv2
import numpy as np

from posefleet_synthesis.appearance import Appearance, brushed, clouds, sample_texture
from posefleet_synthesis.camera import Camera
from posefleet_synthesis.numbers import Array, Image, Mask, smooth_step

_SLAT_EVERY, _SLAT_WIDTH = 210.0, 8.0
_POST_EVERY, _POST_WIDTH, _POST_SIDE = 330.0, 7.5, -52.0
_BELT_SIDE = 46.0
_LAMP_SECONDS = 0.8


@dataclass(frozen=True)
class Scene:
    """The parts that do not move, drawn once for each recording at the oversampled size."""

    appearance: Appearance
    size: int
    oversampling: int
    still: Array
    """(h, w, 3) the frame without belt, animal and props."""
    belt_texture: Array


def build_scene(source: np.random.Generator, appearance: Appearance, size: int, oversampling: int) -> Scene:
    """Draw the parts of the scene that do not move."""
    side = size * oversampling
    rows = (np.arange(side) + 0.5) / side
    wall = _wall(source, appearance, side)
    glass = _glass(source, appearance, side)
    still = np.where((rows < 0.5)[:, None, None], wall, glass)
    edge = np.exp(-(((rows - 0.5) * 256.0 / 2.3) ** 4))[:, None, None]
    still = still * (1 - edge) + edge * 0.10
    glare = np.exp(-(((rows - 0.5035) * 256.0 / 0.7) ** 2))[:, None, None]
    still = still + 0.22 * glare * np.array(appearance.metal)
    return Scene(appearance, size, oversampling, still, brushed(source, 64, 1024, length=5.0))


def _wall(source: np.random.Generator, appearance: Appearance, side: int) -> Array:
    """Painted board with stains, brighter where the lamp hangs."""
    unit = side // 256 or 1
    across = np.linspace(-1.0, 1.0, side)
    light = 1.08 - 0.20 * (across - 0.35 * np.sign(appearance.light[0])) ** 2
    stains = 0.10 * clouds(source, side, side, coarsest=64 * unit) + 0.05 * clouds(source, side, side, 8 * unit, 3)
    seams = 1.0 - 0.16 * (np.abs((np.arange(side) / unit) % 64.0 - 31.0) < 1.0)
    fade = np.linspace(1.06, 0.80, side)[:, None]
    picture: Array = np.array(appearance.wall) * ((1.0 + stains) * light * seams * fade)[..., None]
    return picture


def _glass(source: np.random.Generator, appearance: Appearance, side: int) -> Array:
    """The dim room above a scratched pane."""
    unit = side // 256 or 1
    room = 1.0 + 0.35 * clouds(source, side, side, coarsest=96 * unit, octaves=3)
    room += 0.05 * clouds(source, side, side, coarsest=4 * unit, octaves=2)
    picture = np.array(appearance.glass) * room[..., None]
    for _ in range(46):
        x, y = source.uniform(0, side), source.uniform(side / 2, side)
        angle, length = source.normal(0.0, 0.5), source.uniform(4, 34) * unit
        end = (int(x + length * np.cos(angle)), int(y + length * np.sin(angle)))
        bright = float(source.uniform(0.02, 0.07))
        line = np.zeros((side, side))
        cv2.line(line, (int(x), int(y)), end, bright, 1)
        picture += line[..., None]
    return picture


def backdrop(scene: Scene, cameras: tuple[Camera, Camera], belt: float, seconds: float) -> Array:
    """Return everything behind the animal at one moment as (h, w, 3)."""
    picture = scene.still.copy()
    _draw_belt(picture, scene, cameras[0], belt)
    _draw_tracks(picture, scene, cameras[1], belt)
    _draw_lamp(picture, scene, seconds)
    return picture


def _draw_belt(picture: Array, scene: Scene, camera: Camera, belt: float) -> None:
    """In the side view: the ribbed upper face, and the edge that faces the camera."""
    count, scale = scene.oversampling, camera.pixels_per_unit
    far = camera.project(np.array([0.0, _BELT_SIDE, 0.0]))[1]
    near = camera.project(np.array([0.0, -_BELT_SIDE, 0.0]))[1]
    top, fold = int(far * count), int(near * count)
    bottom = camera.rows[1] * count
    columns = (np.arange(picture.shape[1]) / count - camera.origin[0]) / scale + belt
    rows = np.arange(top, bottom)[:, None] / count
    ribs = 0.5 + 0.5 * np.sin(2.0 * np.pi * columns / 11.0)
    worn = sample_texture(scene.belt_texture, rows * 1.5, columns * 2.0)
    face = (rows < near).astype(float)
    lit = 0.80 + 0.30 * face + 0.12 * worn + (1 - face) * (0.22 * smooth_step(0.55, 0.75, ribs) - 0.25)
    lit *= 1.0 - 0.3 * smooth_step(near + 6.0, near + 16.0, rows)
    picture[top:bottom] = np.array(scene.appearance.belt) * lit[..., None]
    picture[fold : fold + count] *= 1.35


def _draw_tracks(picture: Array, scene: Scene, camera: Camera, belt: float) -> None:
    """In the view from below: the clear belt's faint texture, moving, and its two edges."""
    count, scale = scene.oversampling, camera.pixels_per_unit
    columns = (np.arange(picture.shape[1]) / count - camera.origin[0]) / scale + belt
    rows = np.arange(camera.rows[0] * count, camera.rows[1] * count)[:, None] / count
    worn = sample_texture(scene.belt_texture, rows * 0.7, columns * 1.2)
    view = slice(camera.rows[0] * count, camera.rows[1] * count)
    picture[view] *= (1.0 + 0.055 * worn)[..., None]
    aside = np.abs(rows - camera.origin[1]) / scale
    picture[view] += (0.07 * np.exp(-(((aside - _BELT_SIDE - 3.0) / 0.8) ** 2)))[..., None]


def _draw_lamp(picture: Array, scene: Scene, seconds: float) -> None:
    """The synchronisation light that rigs have, on for half of its period."""
    unit = scene.size * scene.oversampling / 256.0
    lit = (seconds % _LAMP_SECONDS) < _LAMP_SECONDS / 2
    x, y = 241.0 * unit, 13.0 * unit
    rows, columns = np.ogrid[: int(40 * unit), int(200 * unit) : scene.size * scene.oversampling]
    distance = np.hypot(columns - x, rows - y) / unit
    area = picture[: int(40 * unit), int(200 * unit) :]
    housing = (smooth_step(5.4, 4.6, distance))[..., None]
    area[:] = area * (1 - housing) + housing * 0.13
    colour = np.array([1.0, 0.30, 0.22]) if lit else np.array([0.30, 0.10, 0.09])
    bulb = smooth_step(3.4, 2.4, distance)[..., None]
    area[:] = area * (1 - bulb) + bulb * colour
    if lit:
        area += 0.35 * np.exp(-((distance / 9.0) ** 2))[..., None] * colour


def draw_shadow(picture: Array, scene: Scene, camera: Camera, covered: Mask) -> None:
    """Darken the belt in the side view below what ``covered`` (h, w) shows of the animal."""
    count = scene.oversampling
    above = covered.mean(axis=0)[None]
    shade = cv2.GaussianBlur(above, (0, 0), sigmaX=5.0 * count, sigmaY=0.1)[0]
    middle = camera.origin[1] * count
    rows = np.arange(int(middle - 7 * count), int(middle + 9 * count))
    profile = np.exp(-(((rows - middle) / (4.5 * count)) ** 2))[:, None]
    strength = 1.0 - np.clip(2.2 * shade, 0.0, 0.6) * profile
    picture[rows[0] : rows[-1] + 1] *= strength[..., None]


def draw_props(picture: Array, scene: Scene, cameras: tuple[Camera, Camera], belt: float) -> Image:
    """Draw the slats under the belt and the posts beside it, in place; they travel with the belt.

    Returns:
        (h, w) 255 where they hide what is behind.
    """
    hidden = np.zeros(picture.shape[:2], dtype=np.uint8)
    for place in _places(belt, _SLAT_EVERY):
        _draw_slat(picture, hidden, scene, cameras, place)
    for place in _places(belt + 0.37 * _POST_EVERY, _POST_EVERY):
        _draw_post(picture, hidden, scene, cameras, place)
    return hidden


def _places(belt: float, every: float) -> Array:
    first = -belt % every - 2.0 * every
    result: Array = (first + every * np.arange(4.0)).astype(np.float64)
    return result


def _draw_slat(picture: Array, hidden: Image, scene: Scene, cameras: tuple[Camera, Camera], x: float) -> None:
    half, reach = _SLAT_WIDTH / 2, _BELT_SIDE + 3.0
    corners = np.array([[x - half, -reach, -1], [x + half, -reach, -1], [x + half, reach, -1], [x - half, reach, -1]])
    _fill(picture, hidden, scene, cameras[1], corners, 0.62)
    rim = corners.copy()
    rim[[1, 2], 0] = x - half + 1.4
    _fill(picture, hidden, scene, cameras[1], rim, 1.0)
    end = np.array([[x - half, -_BELT_SIDE, -2], [x + half, -_BELT_SIDE, -2]])
    end = np.concatenate([end, end[::-1] - np.array([0.0, 0.0, 5.0])])
    _fill(picture, hidden, scene, cameras[0], end, 0.85)


def _draw_post(picture: Array, hidden: Image, scene: Scene, cameras: tuple[Camera, Camera], x: float) -> None:
    for left, right, shade in ((-0.5, 0.5, 0.55), (-0.32, 0.05, 0.85), (-0.22, -0.08, 1.15)):
        edges = x + np.array([left, right]) * _POST_WIDTH
        outline = zip([*edges, *edges[::-1]], (-8.0, -8.0, 120.0, 120.0), strict=True)
        corners = np.array([[along, _POST_SIDE, up] for along, up in outline])
        _fill(picture, hidden, scene, cameras[0], corners, shade)
    turn = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    ring = np.stack([x + np.cos(turn) * _POST_WIDTH / 2, _POST_SIDE + np.sin(turn) * _POST_WIDTH / 2, 0 * turn], axis=1)
    _fill(picture, hidden, scene, cameras[1], ring, 0.8)


def _fill(picture: Array, hidden: Image, scene: Scene, camera: Camera, corners: Array, shade: float) -> None:
    count = scene.oversampling
    outline = np.rint((camera.project(corners)[:, :2] + 0.5) * count - 0.5).astype(np.int32)
    top, bottom = (row * count for row in camera.rows)
    outline[:, 1] -= top
    view = slice(top, bottom)
    cv2.fillConvexPoly(picture[view], outline, [shade * c for c in scene.appearance.metal])
    cv2.fillConvexPoly(hidden[view], outline, 255)
