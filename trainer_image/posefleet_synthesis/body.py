"""The animal's plan: its keypoints, its proportions, and the joints of one pose.

World coordinates: x along the belt (the animal faces +x), y to its left, z up from the floor; one unit is about
one pixel of a 256-pixel frame.
"""

from dataclasses import dataclass

import numpy as np

from posefleet_synthesis.numbers import Array

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
