"""Numerical functions and array types that the whole package uses."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.signedinteger[Any]]
Mask = npt.NDArray[np.bool_]
Image = npt.NDArray[np.uint8]


def random_source(*key: int) -> np.random.Generator:
    """A generator that depends on ``key`` alone."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def wander(source: np.random.Generator, seconds: Array, period_seconds: float, amplitude: float) -> Array:
    """A smooth signal of ``seconds`` that keeps within ``amplitude`` and repeats after no short time.

    A sum of five sines with periods from half to twice ``period_seconds``.
    """
    periods = period_seconds * 2.0 ** source.uniform(-1.0, 1.0, size=5)
    phases = source.uniform(0.0, 2.0 * np.pi, size=5)
    weights = source.uniform(0.5, 1.0, size=5)
    waves = np.sin(2.0 * np.pi * seconds[..., None] / periods + phases)
    result: Array = amplitude * (waves @ weights) / weights.sum()
    return result


def smooth_step(low: float, high: float, value: Any) -> Any:
    """0 below ``low``, 1 above ``high``, a cubic without corners between."""
    share = np.clip((np.asarray(value) - low) / (high - low), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def rotation(yaw: float, pitch: float, roll: float = 0.0) -> Array:
    """(3, 3) columns forward, left, up after turning left by ``yaw``, up by ``pitch``, over by ``roll`` (radians)."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    turn = np.array([[cy, -sy, 0.0], [sy, cy, 0.0], [0.0, 0.0, 1.0]])
    nod = np.array([[cp, 0.0, -sp], [0.0, 1.0, 0.0], [sp, 0.0, cp]])
    tilt = np.array([[1.0, 0.0, 0.0], [0.0, cr, -sr], [0.0, sr, cr]])
    result: Array = turn @ nod @ tilt
    return result


def normalised(vectors: npt.NDArray[Any]) -> Array:
    """``vectors`` (..., 3) with length one."""
    result: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return result
