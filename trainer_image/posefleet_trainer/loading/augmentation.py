"""Affine maps of the plane as 2x3 matrices, in the coordinates of models/coordinates.py."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posefleet_trainer.loading.sampler import Stream, generator
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


#: Rectangles that may be dropped from a labelled frame; unused ones have no area.
DROPPED_RECTANGLES = 4


@dataclass(frozen=True)
class Strength:
    """How far a kind of sample is varied. Ranges are symmetric where a single number is given."""

    rotation_degrees: float
    scale: tuple[float, float]
    shift: float
    """Share of width and height."""
    brightness: float
    contrast: float
    noise: float
    """Most standard deviation of the added noise, in grey levels of 255."""
    dropped_share: float
    """Most share of a side that a dropped rectangle takes."""


#: Labelled frames see all that a recording may bring.
FRAME_STRENGTH = Strength(25.0, (0.8, 1.25), 0.1, 0.25, 0.25, 10.0, 0.2)
#: Clips keep near to what was filmed: their losses judge motion and pose.
CLIP_STRENGTH = Strength(10.0, (0.9, 1.1), 0.05, 0.15, 0.15, 5.0, 0.0)


@dataclass(frozen=True)
class Augmentation:
    """What happens to one labelled frame, or to every frame of one clip."""

    matrix: np.ndarray
    """(2, 3): from the image's pixels to the augmented image's."""
    brightness: float
    """Factor."""
    contrast: float
    """Factor about middle grey."""
    noise: float
    """Standard deviation in grey levels."""
    noise_place: np.ndarray
    """(2,): row and column where the noise is cut from the bank of noise."""
    dropped_anchors: np.ndarray
    """(rectangles, 2): top and left, in pixels."""
    dropped_shapes: np.ndarray
    """(rectangles, 2): height and width, in pixels."""


def frame_augmentation(seed: int, sample: int, image: Grid) -> Augmentation:
    """For the labelled sample ``sample``."""
    return _draw(generator(seed, Stream.FRAME_AUGMENTATION, sample), image, FRAME_STRENGTH)


def clip_augmentation(seed: int, sample: int, image: Grid) -> Augmentation:
    """For the clip ``sample``; the same for all its frames."""
    return _draw(generator(seed, Stream.CLIP_AUGMENTATION, sample), image, CLIP_STRENGTH)


def _draw(random: np.random.Generator, image: Grid, strength: Strength) -> Augmentation:
    # The scale's logarithm is uniform: halving is as likely as doubling.
    scale = np.exp(random.uniform(*np.log(strength.scale)))
    matrix = about_centre(
        image,
        degrees=random.uniform(-strength.rotation_degrees, strength.rotation_degrees),
        scale=float(scale),
        shift=random.uniform(-strength.shift, strength.shift, 2),
    )
    size = np.array([image.height, image.width])
    brightness, contrast = 1 + random.uniform(-1, 1, 2) * (strength.brightness, strength.contrast)
    noise = random.uniform(0, strength.noise)
    noise_place = random.integers(0, size, endpoint=True)
    used = random.integers(0, DROPPED_RECTANGLES, endpoint=True)
    shapes = random.uniform(0, strength.dropped_share, (DROPPED_RECTANGLES, 2)) * size
    shapes[used:] = 0
    anchors = random.uniform(0, 1, (DROPPED_RECTANGLES, 2)) * (size - shapes)
    return Augmentation(
        matrix, float(brightness), float(contrast), float(noise), noise_place, anchors.round(), shapes.round()
    )


def noise_bank(seed: int, image: Grid) -> np.ndarray:
    """Standard normal noise (2 height, 2 width, 1), float32, that augmentations cut theirs from."""
    random = generator(seed, Stream.NOISE, 0)
    return random.standard_normal((2 * image.height + 1, 2 * image.width + 1, 1), dtype=np.float32)
