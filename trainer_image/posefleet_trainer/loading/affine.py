"""Affine maps of the plane as 2x3 matrices, in the coordinates of models/coordinates.py."""

import math

import numpy as np
from numpy.typing import NDArray

from posefleet_trainer.models.coordinates import Grid

Matrix = NDArray[np.float64]


def about_centre(picture: Grid, *, degrees: float, scale: float, shift: Matrix) -> Matrix:
    """Turn and scale a picture about its centre, then shift it by the shares ``shift`` (xy) of its width and height."""
    radians = math.radians(degrees)
    cosine, sine = scale * math.cos(radians), scale * math.sin(radians)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    size = np.array([picture.width, picture.height])
    centre = (size - 1) / 2
    return np.column_stack([linear, centre - linear @ centre + shift * size])


def inverse(matrix: Matrix) -> Matrix:
    """The map that undoes ``matrix`` (2, 3)."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def apply(matrix: Matrix, points: Matrix) -> Matrix:
    """``points`` (..., xy) under ``matrix`` (2, 3)."""
    moved: Matrix = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def with_corner_origin(matrix: Matrix) -> Matrix:
    """The same map for software (DALI) whose pixel centres lie at halves: pixel 0 has its centre at 0.5."""
    half = np.array([0.5, 0.5])
    return np.column_stack([matrix[:, :2], matrix[:, 2] + half - matrix[:, :2] @ half])
