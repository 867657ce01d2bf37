"""The motion of the animal: a gait on a belt of varying speed, and the pose at each moment of it."""

from dataclasses import dataclass, fields

import numpy as np

from posefleet_synthesis.animal import HEAD_LENGTH, SPINE_LENGTH, TAIL_SEGMENT_LENGTH, TAIL_SEGMENTS, Leg, Pose
from posefleet_synthesis.numbers import Array, normalised, rotation, smooth_step, wander

STRIDE_LENGTH = 27.0
#: Share of a cycle that a paw stands on the belt.
DUTY = 0.6
_TRUNK_HEIGHT = 25.0
_PAW_HEIGHT = 2.4
#: Where each leg is in its cycle relative to the hind left one: diagonal pairs together, a running trot.
_PHASES = (0.55, 0.05, 0.0, 0.5)
#: Roots of the legs in the trunk's frame: forward, left, up.
_ROOTS = np.array([[21.0, 8.0, -5.0], [21.0, -8.0, -5.0], [-20.0, 9.5, -3.0], [-20.0, -9.5, -3.0]])
#: Paws in the middle of their stance, in the floor's frame that turns with the animal: forward, left.
_STANCES = np.array([[25.0, 7.5], [25.0, -7.5], [-14.0, 12.0], [-14.0, -12.0]])
#: Lengths of the bones above and below the middle joint, of a front and of a hind leg.
_UPPER, _LOWER = (12.0, 12.5), (11.5, 10.5)


@dataclass(frozen=True)
class Motion:
    """The motion of a recording. Every field has one value for each frame, (frames,)."""

    phase: Array
    """Strides since the start."""
    effort: Array
    """0 standing, 1 running."""
    x: Array
    y: Array
    yaw: Array
    pitch: Array
    crouch: Array
    head_yaw: Array
    head_pitch: Array
    tail_yaw: Array
    tail_pitch: Array
    tail_curl: Array
    seconds: Array

    @property
    def belt(self) -> Array:
        """How far the belt has moved, in world units towards -x."""
        return self.phase * STRIDE_LENGTH / DUTY

    def at(self, frame: int) -> "Moment":
        """Return the values of one frame."""
        return Moment(**{field.name: float(getattr(self, field.name)[frame]) for field in fields(self)})


@dataclass(frozen=True)
class Moment:
    """The fields of ``Motion`` at one frame."""

    phase: float
    effort: float
    x: float
    y: float
    yaw: float
    pitch: float
    crouch: float
    head_yaw: float
    head_pitch: float
    tail_yaw: float
    tail_pitch: float
    tail_curl: float
    seconds: float


def run_on_belt(source: np.random.Generator, frames: int, frames_per_second: float) -> Motion:
    """A run of ``frames`` frames: bouts of running, short stops, looks around. Angles in radians."""
    seconds = np.arange(frames) / frames_per_second
    urge = wander(source, seconds, 5.0, 1.0)
    effort = smooth_step(-0.75, 0.15, urge)
    strides_per_second = effort * (1.55 + wander(source, seconds, 3.0, 0.35))
    phase = source.uniform() + np.cumsum(strides_per_second) / frames_per_second
    return Motion(
        phase=phase,
        effort=effort,
        x=wander(source, seconds, 6.0, 16.0) + 4.0 * (effort - 0.5),
        y=wander(source, seconds, 5.0, 7.0),
        yaw=wander(source, seconds, 4.0, 0.24),
        pitch=wander(source, seconds, 2.5, 0.07) + 0.03 * (1.0 - effort),
        crouch=wander(source, seconds, 3.0, 2.2),
        head_yaw=wander(source, seconds, 1.8, 0.5),
        head_pitch=wander(source, seconds, 2.2, 0.42),
        tail_yaw=wander(source, seconds, 2.5, 0.45),
        tail_pitch=wander(source, seconds, 3.5, 0.3),
        tail_curl=wander(source, seconds, 2.8, 0.09),
        seconds=seconds,
    )


def pose_at(moment: Moment) -> Pose:
    """Return the pose of the animal at one moment."""
    bounce = 1.1 * moment.effort * np.cos(4.0 * np.pi * moment.phase)
    roll = 0.05 * moment.effort * np.sin(2.0 * np.pi * moment.phase)
    axes = rotation(moment.yaw, moment.pitch, roll)
    origin = np.array([moment.x, moment.y, _TRUNK_HEIGHT + bounce + moment.crouch])
    spine = _spine(moment, origin, axes)
    head_axes = rotation(moment.yaw + moment.head_yaw, moment.head_pitch - 0.28)
    return Pose(
        trunk_origin=origin,
        trunk_axes=axes,
        spine=spine,
        head_axes=head_axes,
        head=_head(spine[-1], head_axes),
        legs=(_leg(moment, origin, axes, 0), _leg(moment, origin, axes, 1),
              _leg(moment, origin, axes, 2), _leg(moment, origin, axes, 3)),
        tail=_tail(moment, spine[0]),
    )  # fmt: skip


def _spine(moment: Moment, origin: Array, axes: Array) -> Array:
    share = np.linspace(0.0, 1.0, 24)
    bend = 2.5 * moment.effort * np.sin(2.0 * np.pi * moment.phase) + 9.0 * moment.head_yaw
    local = np.stack(
        [
            (share - 0.58) * SPINE_LENGTH,
            bend * np.clip(share - 0.5, 0.0, None) ** 2 - 0.35 * bend * np.clip(0.5 - share, 0.0, None) ** 2,
            5.5 * np.sin(np.pi * share) ** 1.3 - 3.5 * (1.0 - share) ** 3 - 0.6 * moment.crouch * share,
        ],
        axis=1,
    )
    result: Array = origin + local @ axes.T
    return result


def _head(neck: Array, axes: Array) -> Array:
    share = np.linspace(0.0, 1.0, 18)
    local = np.stack([share * HEAD_LENGTH, np.zeros_like(share), 2.2 * np.sin(np.pi * share)], axis=1)
    result: Array = neck + local @ axes.T
    return result


def _leg(moment: Moment, origin: Array, axes: Array, index: int) -> Leg:
    hind = index >= 2
    root = origin + axes @ _ROOTS[index]
    paw = _paw(moment, origin, index)
    heading = np.array([np.cos(moment.yaw), np.sin(moment.yaw), 0.0])
    lift = paw[2] - _PAW_HEIGHT
    ankle = paw + (np.array([0.0, 0.0, 6.0 + 0.3 * lift]) - 7.5 * heading if hind else np.array([0.0, 0.0, 4.5]))
    bend = heading + np.array([0.0, 0.0, 0.7]) if hind else -heading
    knee = _bent(root, ankle, _UPPER[hind], _LOWER[hind], bend)
    return Leg(root, knee, ankle, paw)


def _paw(moment: Moment, origin: Array, index: int) -> Array:
    """Where the paw is: it stands and goes back with the belt, or swings forward above it."""
    cycle = (moment.phase + _PHASES[index]) % 1.0
    swing = np.clip((cycle - DUTY) / (1.0 - DUTY), 0.0, 1.0)
    along = 0.5 - cycle / DUTY if cycle < DUTY else 0.5 - 0.5 * np.cos(np.pi * swing) - 0.5
    cosine, sine = np.cos(moment.yaw), np.sin(moment.yaw)
    forward, left = _STANCES[index]
    return np.array(
        [
            origin[0] + cosine * forward - sine * left + along * STRIDE_LENGTH,
            origin[1] + sine * forward + cosine * left,
            _PAW_HEIGHT + (7.5 if index < 2 else 5.0) * np.sin(np.pi * swing),
        ]
    )


def _bent(root: Array, end: Array, upper: float, lower: float, towards: Array) -> Array:
    """The middle joint of two bones of lengths ``upper`` and ``lower``, bent ``towards`` a direction."""
    span = end - root
    distance = min(float(np.linalg.norm(span)), 0.995 * (upper + lower))
    axis = normalised(span)
    along = (upper**2 - lower**2 + distance**2) / (2.0 * distance)
    aside = np.sqrt(max(upper**2 - along**2, 0.0))
    pole = normalised(towards - (towards @ axis) * axis)
    result: Array = root + along * axis + aside * pole
    return result


def _tail(moment: Moment, base: Array) -> Array:
    """A chain that leaves the body backwards, hangs to the floor's height, and whips with the stride."""
    share = np.arange(TAIL_SEGMENTS) / TAIL_SEGMENTS
    whip = 0.22 * (0.3 + moment.effort) * np.sin(2.0 * np.pi * (moment.phase - 1.1 * share)) * share
    yaw = np.pi + moment.yaw + moment.tail_yaw * (0.3 + 0.7 * share) + 14.0 * moment.tail_curl * share**2 + whip
    pitch = 0.12 - 0.55 * share * (1.0 - share) + moment.tail_pitch * (0.35 + 0.65 * share)
    steps = TAIL_SEGMENT_LENGTH * np.stack(
        [np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)], axis=1
    )
    tail = np.concatenate([base[None], base + np.cumsum(steps, axis=0)])
    # A soft floor: points that would sink come to rest on it.
    tail[:, 2] = 2.0 + np.logaddexp(0.0, (tail[:, 2] - 2.0) / 3.0) * 3.0
    return tail
