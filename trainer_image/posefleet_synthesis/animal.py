"""The animal: its keypoints, its proportions, the joints of a pose, and the solid that is drawn for it.

World coordinates: x along the belt (the animal faces +x), y to its left, z up from the floor; one unit is about one
pixel of a 256-pixel frame. The solid consists of some two hundred ellipsoids, each of one material.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from posefleet_synthesis.numbers import Array, normalised

LEGS = ("front_left", "front_right", "hind_left", "hind_right")
BODY_POINTS = (
    "nose",
    "paw_front_left",
    "paw_front_right",
    "paw_hind_left",
    "paw_hind_right",
    "tail_base",
    "tail_mid",
)
VIEWS = ("side", "bottom")
#: Pairs of body points that a drawing joins.
SKELETON = (
    ("nose", "tail_base"),
    ("tail_base", "tail_mid"),
    ("nose", "paw_front_left"),
    ("nose", "paw_front_right"),
    ("tail_base", "paw_hind_left"),
    ("tail_base", "paw_hind_right"),
)
KEYPOINTS = tuple(f"{part}_{view}" for view in VIEWS for part in BODY_POINTS)
SPINE_LENGTH = 74.0
#: Radius of the trunk at shares of the way from the tail's base to the neck.
TRUNK_PROFILE = (
    np.array([0.0, 0.06, 0.14, 0.27, 0.42, 0.58, 0.72, 0.86, 1.0]),
    np.array([4.5, 8.5, 12.5, 16.5, 17.6, 15.6, 13.6, 12.2, 10.8]),
)
HEAD_LENGTH = 31.0
#: Radius of the head at shares of the way from the neck to the tip of the nose.
HEAD_PROFILE = (
    np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.93, 1.0]),
    np.array([10.8, 11.3, 10.2, 7.6, 4.9, 3.3, 2.3]),
)
TAIL_SEGMENTS = 16
TAIL_SEGMENT_LENGTH = 5.4
TAIL_RADIUS = (2.9, 0.8)


@dataclass(frozen=True)
class Leg:
    """Joints of one leg, each (3,): hip or shoulder, knee or elbow, ankle or wrist, paw."""

    root: Array
    knee: Array
    ankle: Array
    paw: Array


@dataclass(frozen=True)
class Pose:
    """The animal in one frame."""

    trunk_origin: Array
    """(3,) the middle of the trunk."""
    trunk_axes: Array
    """(3, 3) columns: forward, left, up of the trunk."""
    spine: Array
    """(n, 3) from the tail's base to the neck."""
    head_axes: Array
    """(3, 3) columns: forward, left, up of the head."""
    head: Array
    """(m, 3) from the neck to the tip of the nose."""
    legs: tuple[Leg, Leg, Leg, Leg]
    """In the order of ``LEGS``."""
    tail: Array
    """(segments + 1, 3) from the base to the tip."""

    def body_points(self) -> Array:
        """(7, 3) the points that are labelled, in the order of ``BODY_POINTS``."""
        paws = [leg.paw for leg in self.legs]
        return np.stack([self.head[-1], *paws, self.tail[0], self.tail[len(self.tail) // 2]])


class Material(IntEnum):
    """What a surface is made of; indexes the palette of an appearance."""

    TRUNK = 0
    HEAD = 1
    LEG = 2
    PAW = 3
    TAIL = 4
    EAR = 5
    NOSE = 6
    EYE = 7
    PROP = 8


@dataclass(frozen=True)
class Solid:
    """Ellipsoids, in the order that they are listed."""

    centres: Array
    """(n, 3)."""
    shapes: Array
    """(n, 3, 3): an ellipsoid is its centre plus the shape times the unit ball."""
    materials: Array
    """(n,) of ``Material``."""

    def __add__(self, other: "Solid") -> "Solid":
        return Solid(
            np.concatenate([self.centres, other.centres]),
            np.concatenate([self.shapes, other.shapes]),
            np.concatenate([self.materials, other.materials]),
        )


def balls(centres: Array, radii: Array, material: Material, stretch: Array | None = None) -> Solid:
    """Return a ball at each of ``centres`` (n, 3), stretched by the (3, 3) matrix ``stretch`` if given."""
    radii = np.broadcast_to(radii, (len(centres),))
    shape = np.eye(3) if stretch is None else stretch
    return Solid(centres, radii[:, None, None] * shape, np.full(len(centres), float(material)))


def limb(start: Array, end: Array, radii: tuple[float, float], material: Material, count: int) -> Solid:
    """Return a limb that tapers from ``start`` to ``end``."""
    share = np.linspace(0.0, 1.0, count)[:, None]
    return balls(start + share * (end - start), np.linspace(*radii, count), material)


def animal(pose: Pose) -> Solid:
    """Return the solid of the whole animal in ``pose``."""
    solid = _trunk(pose) + _head(pose) + _tail(pose)
    for index, leg in enumerate(pose.legs):
        solid += _hind_leg(pose, leg) if index >= 2 else _front_leg(pose, leg)
    return solid


def _trunk(pose: Pose) -> Solid:
    share = np.linspace(0.0, 1.0, len(pose.spine))
    radii = np.interp(share, *TRUNK_PROFILE)
    narrow = pose.trunk_axes @ np.diag([1.0, 0.93, 1.0]) @ pose.trunk_axes.T
    return balls(pose.spine, radii, Material.TRUNK, narrow)


def _head(pose: Pose) -> Solid:
    share = np.linspace(0.0, 1.0, len(pose.head))
    skull = balls(pose.head, np.interp(share, *HEAD_PROFILE), Material.HEAD)
    forward, left, up = pose.head_axes.T
    solid = skull + balls(pose.head[-1:] + 0.6 * forward, np.array([1.9]), Material.NOSE)
    for side in (1.0, -1.0):
        cheek = pose.head[9] + 3.6 * side * left - 2.6 * up
        eye = pose.head[9] + 6.6 * side * left + 3.4 * up
        solid += balls(cheek[None], np.array([6.0]), Material.HEAD)
        solid += balls(eye[None], np.array([2.5]), Material.EYE)
        solid += _ear(pose, side)
    return solid


def _ear(pose: Pose, side: float) -> Solid:
    """A thin round shell that stands up, out and a little back."""
    forward, left, up = pose.head_axes.T
    outward = normalised(0.85 * side * left + 0.95 * up - 0.35 * forward)
    facing = normalised(forward + 0.75 * side * left)
    facing = normalised(facing - (facing @ outward) * outward)
    shape = np.stack([7.0 * outward, 6.2 * np.cross(outward, facing), 1.5 * facing], axis=1)
    centre = pose.head[4] + 7.0 * side * left + 8.0 * up + 5.0 * outward
    return Solid(centre[None], shape[None], np.array([float(Material.EAR)]))


def _tail(pose: Pose) -> Solid:
    fine = np.linspace(0.0, len(pose.tail) - 1.0, 4 * (len(pose.tail) - 1) + 1)
    points = np.stack([np.interp(fine, np.arange(len(pose.tail)), pose.tail[:, axis]) for axis in range(3)], axis=1)
    return balls(points, np.linspace(*TAIL_RADIUS, len(points)), Material.TAIL)


def _front_leg(pose: Pose, leg: Leg) -> Solid:
    return (
        limb(leg.root, leg.knee, (6.2, 4.0), Material.LEG, 6)
        + limb(leg.knee, leg.ankle, (3.8, 2.3), Material.LEG, 6)
        + limb(leg.ankle, leg.paw, (2.1, 2.3), Material.PAW, 3)
        + _toes(pose, leg.paw, length=3.4, spread=0.55)
    )


def _hind_leg(pose: Pose, leg: Leg) -> Solid:
    return (
        limb(leg.root, leg.knee, (10.5, 5.6), Material.LEG, 7)
        + limb(leg.knee, leg.ankle, (5.0, 2.4), Material.LEG, 7)
        + limb(leg.ankle, leg.paw, (2.2, 2.5), Material.PAW, 5)
        + _toes(pose, leg.paw, length=4.6, spread=0.4)
    )


def _toes(pose: Pose, paw: Array, length: float, spread: float) -> Solid:
    """The pad of a paw and its toes, spread on the floor around the heading."""
    heading = np.arctan2(pose.trunk_axes[1, 0], pose.trunk_axes[0, 0])
    angles = heading + spread * np.array([-1.5, -0.5, 0.5, 1.5])
    directions = np.stack([np.cos(angles), np.sin(angles), np.full(4, -0.12)], axis=1)
    pad = balls(paw[None], np.array([2.7]), Material.PAW, np.diag([1.1, 1.0, 0.8]))
    solid = pad
    for reach in (0.65, 1.0):
        solid += balls(paw + reach * length * directions, np.array([1.15]), Material.PAW)
    return solid
