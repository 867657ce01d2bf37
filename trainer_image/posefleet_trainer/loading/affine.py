"""Affine maps of the plane as 2x3 matrices, in the coordinates of models/coordinates.py."""

import math

import numpy as np


def about_centre(height: int, width: int, degrees: float, scale: float, shift_x: float, shift_y: float) -> np.ndarray:
    """Turn and scale a picture about its centre, then shift it by shares of its width and height; float64 (2, 3)."""
    radians = math.radians(degrees)
    cosine, sine = scale * math.cos(radians), scale * math.sin(radians)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = centre - linear @ centre + np.array([shift_x * width, shift_y * height])
    return np.column_stack([linear, shift])


def inverse(matrix: np.ndarray) -> np.ndarray:
    """The map that undoes ``matrix`` (2, 3)."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """``points`` (..., xy) under ``matrix`` (2, 3)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def with_corner_origin(matrix: np.ndarray) -> np.ndarray:
    """The same map for software (DALI) whose pixel centres lie at halves: pixel 0 has its centre at 0.5."""
    half = np.array([0.5, 0.5])
    return np.column_stack([matrix[:, :2], matrix[:, 2] + half - matrix[:, :2] @ half])
