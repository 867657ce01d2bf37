"""Axes: where a value lies, and which values to write beside it."""

import math
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scale:
    """Maps values to places on the page, evenly or by their logarithm."""

    low: float
    high: float
    start: float
    stop: float
    logarithmic: bool = False

    def places(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Of several values; NaN stays NaN."""
        numbers = np.asarray(values, dtype=np.float64)
        if self.logarithmic:
            positive = np.where(numbers > 0, numbers, np.nan)
            low, high = math.log(self.low), math.log(self.high)
            share = (np.log(positive) - low) / (high - low)
        else:
            share = (numbers - self.low) / (self.high - self.low)
        return np.asarray(self.start + share * (self.stop - self.start), dtype=np.float64)

    def place(self, value: float) -> float:
        """Of one value."""
        return float(self.places(np.array(value)))


def linear_scale(values: tuple[float, float], places: tuple[float, float]) -> Scale:
    """From the least and the greatest value; a single value lies in the middle."""
    low, high = values
    if high - low <= 1e-12 * max(abs(low), abs(high)) or high == low:
        half = abs(low) / 2 or 0.5
        low, high = low - half, high + half
    return Scale(low, high, *places)


def log_scale(values: tuple[float, float], places: tuple[float, float]) -> Scale:
    """The same by logarithms, of values above 0, with some air."""
    # The least normal number: below it nothing can be divided.
    low, high = (max(value, sys.float_info.min * 2) for value in values)
    return Scale(low / 1.15, min(high, sys.float_info.max / 2) * 1.15, *places, logarithmic=True)


def ticks(scale: Scale, about: int) -> list[float]:
    """Round values on a scale, ``about`` so many."""
    if scale.logarithmic:
        return _log_ticks(scale, about)
    step = _round_step((scale.high - scale.low) / about)
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def readable(value: float) -> str:
    """Short: ``0.002``, ``15``, ``20k``, ``1e-05``."""
    if abs(value) < 1e-12:
        return "0"
    if abs(value) >= 10_000:
        return f"{value / 1000:.6g}k"
    return f"{value:.4g}"


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def _log_ticks(scale: Scale, about: int) -> list[float]:
    powers = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        found = [factor * 10.0**power for power in powers for factor in factors]
        found = [value for value in found if scale.low <= value <= scale.high]
        if len(found) >= 2:
            break
    every = max(1, math.ceil(len(found) / (about + 1)))
    return found[::every]
