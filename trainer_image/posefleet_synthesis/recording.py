"""A recording: each of its frames as a picture, with the true places of the keypoints."""

from dataclasses import dataclass

import cv2
import numpy as np

from posefleet_synthesis.animal import Pose, Solid, animal
from posefleet_synthesis.appearance import Appearance
from posefleet_synthesis.camera import Camera, Surface, surface, two_views
from posefleet_synthesis.motion import Motion, pose_at, run_on_belt
from posefleet_synthesis.numbers import Array, Image, Mask, random_source
from posefleet_synthesis.scene import Scene, backdrop, build_scene, draw_props, draw_shadow
from posefleet_synthesis.shading import Coat, draw_hairs, grow_coat, shade

FRAMES_PER_SECOND = 30
_OVERSAMPLING = 2
#: A point counts as visible if no more than this lies in front of it, in world units: it sits inside the skin.
_SKIN_DEPTH = 9.0


@dataclass(frozen=True)
class Shot:
    """One frame of a recording with the truth about its keypoints."""

    picture: Image
    """(size, size, 3) RGB."""
    points: Array
    """(keypoints, 2) true pixel coordinates."""
    visible: Mask
    """(keypoints,) of bool: nothing stands in front of the point."""
    behind_prop: Mask
    """(keypoints,) of bool: a slat or a post stands in front of it."""


@dataclass(frozen=True)
class Recording:
    """One video before it is filmed. ``shot(i)`` depends on the recording's seed and ``i`` alone."""

    key: tuple[int, ...]
    motion: Motion
    cameras: tuple[Camera, Camera]
    appearance: Appearance
    coat: Coat
    scene: Scene

    def __len__(self) -> int:
        return len(self.motion.seconds)

    def points(self, frame: int) -> Array:
        """(keypoints, 2) of one frame, without drawing it."""
        body = pose_at(self.motion.at(frame)).body_points()
        return np.concatenate([camera.project(body)[:, :2] for camera in self.cameras])

    def shot(self, frame: int) -> Shot:
        """Draw one frame and return it with the truth about its keypoints."""
        pose = pose_at(self.motion.at(frame))
        solid = animal(pose)
        belt = float(self.motion.belt[frame])
        picture = backdrop(self.scene, self.cameras, belt, float(self.motion.seconds[frame]))
        width = self.scene.size
        surfaces = [surface(solid, camera, width, _OVERSAMPLING) for camera in self.cameras]
        draw_shadow(picture, self.scene, self.cameras[0], surfaces[0].covered)
        for camera, seen in zip(self.cameras, surfaces, strict=True):
            self._paint(picture, camera, seen, solid, pose)
        hidden = draw_props(picture, self.scene, self.cameras, belt)
        seen_body, behind = self._visibility(pose, surfaces, hidden)
        return Shot(self._exposed(picture, frame), self.points(frame), seen_body & ~behind, behind)

    def _paint(self, picture: Array, camera: Camera, seen: Surface, solid: Solid, pose: Pose) -> None:
        below = camera is self.cameras[1]
        colours = shade(seen, solid, pose, camera, self.appearance, self.coat, below)
        view = picture[camera.rows[0] * _OVERSAMPLING : camera.rows[1] * _OVERSAMPLING]
        view[seen.covered] = colours[seen.covered]
        draw_hairs(view, self.coat, solid, pose, camera, seen)

    def _visibility(self, pose: Pose, surfaces: list[Surface], hidden: Image) -> tuple[Mask, Mask]:
        """Return which keypoints the body does not hide, and which are behind a prop."""
        shown, behind = [], []
        body = pose.body_points()
        for camera, seen in zip(self.cameras, surfaces, strict=True):
            places = camera.project(body)
            column, row = np.rint(seen.sample_of(places)).astype(int).T
            inside = (column >= 0) & (column < seen.depth.shape[1]) & (row >= 0) & (row < seen.depth.shape[0])
            column, row = np.clip(column, 0, seen.depth.shape[1] - 1), np.clip(row, 0, seen.depth.shape[0] - 1)
            depth = seen.depth[row, column]
            shown.append(inside & (depth < places[:, 2] + _SKIN_DEPTH * camera.pixels_per_unit))
            behind.append(hidden[row + camera.rows[0] * _OVERSAMPLING, column] > 0)
        return np.concatenate(shown), np.concatenate(behind)

    def _exposed(self, picture: Array, frame: int) -> Image:
        """Apply the blur of the lens, the resolution of the sensor, flicker and noise."""
        size = self.scene.size
        sharp = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.9)
        small = cv2.resize(sharp, (size, size), interpolation=cv2.INTER_AREA)
        source = random_source(*self.key, 9, frame)
        flicker = self.appearance.exposure * (1.0 + 0.012 * source.normal())
        noise = source.normal(size=(size, size, 1)) + 0.35 * source.normal(size=(size, size, 3))
        result: Image = np.clip(255.0 * flicker * small + self.appearance.noise * noise, 0, 255).astype(np.uint8)
        return result


def record(key: tuple[int, ...], frames: int, size: int, appearance: Appearance) -> Recording:
    """A recording of ``frames`` frames, ``size`` pixels square; equal keys give equal recordings."""
    rig = random_source(*key, 4)
    return Recording(
        key=key,
        motion=run_on_belt(random_source(*key, 1), frames, FRAMES_PER_SECOND),
        cameras=two_views(size, float(rig.uniform(-0.015, 0.015))),
        appearance=appearance,
        coat=grow_coat(random_source(*key, 2)),
        scene=build_scene(random_source(*key, 3), appearance, size, _OVERSAMPLING),
    )
