"""How the animal moves: a running gait on a belt whose speed wanders, and a curious head."""

from dataclasses import dataclass, fields

import numpy as np

from posefleet_synthesis.numbers import Array, smooth_step, wander

STRIDE_LENGTH = 27.0
#: Share of a cycle that a paw stands on the belt.
DUTY = 0.6


@dataclass(frozen=True)
class Motion:
    """What changes over the frames of a recording, every field (frames,)."""

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
        """The values of one frame."""
        return Moment(**{field.name: float(getattr(self, field.name)[frame]) for field in fields(self)})


@dataclass(frozen=True)
class Moment:
    """The fields of ``Motion`` in one frame."""

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
