"""Augmentation: which transformation a labelled frame or a clip gets, and the affine maps that move its points along.

An augmentation is drawn from the seed and the number of the sample alone. The DALI operators that apply it
(``loading/pipeline.py``) draw no random numbers, so that a resumed training sees the same pixels.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posefleet_trainer.loading.sampler import Stream, generator
from posefleet_trainer.models.coordinates import Grid

#: An affine map of the plane, (2, 3), in the coordinates of ``models/coordinates.py``.
Matrix = NDArray[np.float64]

#: Rectangles that may be dropped from a labelled frame; unused ones have no area.
DROPPED_RECTANGLES = 4


@dataclass(frozen=True)
class AugmentationRange:
    """The limits within which augmentations are drawn; a single number is the limit on both sides of no change."""

    rotation_degrees: float
    scale: tuple[float, float]
    shift: float
    """As a share of width and height."""
    brightness: float
    contrast: float
    noise: float
    """Largest standard deviation of the added noise, in grey levels of 255."""
    dropped_share: float
    """Largest share of a side that a dropped rectangle covers."""


#: Labelled frames are changed as much as recordings may differ from each other.
FRAME_RANGE = AugmentationRange(25.0, (0.8, 1.25), 0.1, 0.25, 0.25, 10.0, 0.2)
#: Clips are changed less, because their losses judge motion and pose.
CLIP_RANGE = AugmentationRange(10.0, (0.9, 1.1), 0.05, 0.15, 0.15, 5.0, 0.0)


@dataclass(frozen=True)
class Augmentation:
    """The transformation of one labelled frame, or of every frame of one clip."""

    matrix: np.ndarray
    """(2, 3): the affine map from the image's pixels to the augmented image's."""
    brightness: float
    """Factor of all grey levels."""
    contrast: float
    """Factor of the distance from middle grey."""
    noise: float
    """Standard deviation of the added noise, in grey levels of 255."""
    noise_place: np.ndarray
    """(2,): row and column at which the noise is cut out of ``noise_bank``."""
    dropped_anchors: np.ndarray
    """(rectangles, 2): top and left of the dropped rectangles, in pixels."""
    dropped_shapes: np.ndarray
    """(rectangles, 2): height and width of the dropped rectangles, in pixels."""


def frame_augmentation(seed: int, sample: int, image: Grid) -> Augmentation:
    """Draw the augmentation of the labelled sample ``sample``."""
    return _draw(generator(seed, Stream.FRAME_AUGMENTATION, sample), image, FRAME_RANGE)


def clip_augmentation(seed: int, sample: int, image: Grid) -> Augmentation:
    """Draw the augmentation of the clip ``sample``, which is the same for all its frames."""
    return _draw(generator(seed, Stream.CLIP_AUGMENTATION, sample), image, CLIP_RANGE)


def noise_bank(seed: int, image: Grid) -> np.ndarray:
    """Return standard normal noise (2 height + 1, 2 width + 1, 1), float32, that augmentations cut theirs from."""
    random = generator(seed, Stream.NOISE, 0)
    return random.standard_normal((2 * image.height + 1, 2 * image.width + 1, 1), dtype=np.float32)


def about_centre(picture: Grid, *, degrees: float, scale: float, shift: Matrix) -> Matrix:
    """Return the map that rotates and scales a picture about its centre, then shifts it.

    Args:
        picture: size of the picture.
        degrees: angle from the x axis towards the y axis, which is clockwise on screens.
        scale: factor of all lengths.
        shift: (xy) as shares of the picture's width and height.
    """
    radians = math.radians(degrees)
    cosine, sine = scale * math.cos(radians), scale * math.sin(radians)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    size = np.array([picture.width, picture.height])
    centre = (size - 1) / 2
    return np.column_stack([linear, centre - linear @ centre + shift * size])


def inverse(matrix: Matrix) -> Matrix:
    """Return the inverse (2, 3) of the map ``matrix`` (2, 3)."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def apply(matrix: Matrix, points: Matrix) -> Matrix:
    """Map ``points`` (..., xy) by ``matrix`` (2, 3)."""
    moved: Matrix = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def with_corner_origin(matrix: Matrix) -> Matrix:
    """Convert ``matrix`` (2, 3) to coordinates whose origin is the corner of pixel 0, as DALI's are.

    There the centre of pixel 0 lies at 0.5, half a pixel further along both axes.
    """
    half = np.array([0.5, 0.5])
    return np.column_stack([matrix[:, :2], matrix[:, 2] + half - matrix[:, :2] @ half])


def _draw(random: np.random.Generator, image: Grid, limits: AugmentationRange) -> Augmentation:
    # The logarithm of the scale is uniform, so that a factor is as likely as its inverse.
    scale = np.exp(random.uniform(*np.log(limits.scale)))
    matrix = about_centre(
        image,
        degrees=random.uniform(-limits.rotation_degrees, limits.rotation_degrees),
        scale=float(scale),
        shift=random.uniform(-limits.shift, limits.shift, 2),
    )
    size = np.array([image.height, image.width])
    brightness, contrast = 1 + random.uniform(-1, 1, 2) * (limits.brightness, limits.contrast)
    noise = random.uniform(0, limits.noise)
    noise_place = random.integers(0, size, endpoint=True)
    used = random.integers(0, DROPPED_RECTANGLES, endpoint=True)
    shapes = random.uniform(0, limits.dropped_share, (DROPPED_RECTANGLES, 2)) * size
    shapes[used:] = 0
    anchors = random.uniform(0, 1, (DROPPED_RECTANGLES, 2)) * (size - shapes)
    return Augmentation(
        matrix, float(brightness), float(contrast), float(noise), noise_place, anchors.round(), shapes.round()
    )
