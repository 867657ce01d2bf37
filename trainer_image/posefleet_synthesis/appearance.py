"""The appearance of a recording: colours, light, noise, and the procedural textures of all surfaces."""

from dataclasses import dataclass

import cv2
import numpy as np

from posefleet_synthesis.numbers import Array

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Appearance:
    """The colours, the light and the optics of a recording. Colours are linear RGB from 0 to 1."""

    back: Colour
    belly: Colour
    skin: Colour
    eye: Colour
    wall: Colour
    belt: Colour
    glass: Colour
    metal: Colour
    light: tuple[float, float, float]
    """Direction to the lamp in the side camera's axes: right, down, towards the camera."""
    ambient: float
    exposure: float
    noise: float
    """Standard deviation of the sensor's noise, of 255."""
    grain: float
    """Contrast of the coat's hairs."""


DAY = Appearance(
    back=(0.34, 0.25, 0.17),
    belly=(0.74, 0.68, 0.60),
    skin=(0.80, 0.56, 0.52),
    eye=(0.03, 0.03, 0.035),
    wall=(0.46, 0.50, 0.53),
    belt=(0.27, 0.29, 0.31),
    glass=(0.22, 0.26, 0.29),
    metal=(0.42, 0.43, 0.45),
    light=(-0.35, -0.75, 0.55),
    ambient=0.42,
    exposure=1.0,
    noise=3.2,
    grain=0.30,
)


#: Another animal under another lamp, for the out-of-distribution frames.
DUSK = Appearance(
    back=(0.16, 0.15, 0.16),
    belly=(0.34, 0.32, 0.33),
    skin=(0.66, 0.47, 0.45),
    eye=(0.02, 0.02, 0.02),
    wall=(0.52, 0.42, 0.32),
    belt=(0.36, 0.31, 0.26),
    glass=(0.33, 0.27, 0.21),
    metal=(0.52, 0.47, 0.40),
    light=(0.6, -0.55, 0.5),
    ambient=0.34,
    exposure=0.82,
    noise=5.0,
    grain=0.36,
)


def vary_appearance(appearance: Appearance, source: np.random.Generator) -> Appearance:
    """Return an appearance of the same set-up on another day, with slightly different coat, lamp and exposure."""
    tint = source.uniform(0.94, 1.06, size=3)
    shade = float(source.uniform(0.88, 1.12))
    right, down, near = appearance.light
    return Appearance(
        **{
            **vars(appearance),
            "back": tuple(float(c) for c in np.array(appearance.back) * tint * shade),
            "belly": tuple(float(c) for c in np.array(appearance.belly) * (2.0 + tint) / 3.0),
            "light": (right + float(source.uniform(-0.15, 0.15)), down, near),
            "exposure": appearance.exposure * float(source.uniform(0.94, 1.06)),
        }
    )


def clouds(source: np.random.Generator, height: int, width: int, coarsest: int, octaves: int = 5) -> Array:
    """(height, width) noise around 0 with about unit range: random grids of doubling density, halving strength."""
    total = np.zeros((height, width))
    for octave in range(octaves):
        cell = max(1, coarsest >> octave)
        grid = source.uniform(-1.0, 1.0, size=(height // cell + 3, width // cell + 3))
        fine = cv2.resize(grid, (grid.shape[1] * cell, grid.shape[0] * cell), interpolation=cv2.INTER_CUBIC)
        total += 0.5**octave * fine[cell : cell + height, cell : cell + width]
    return total


def brushed(source: np.random.Generator, height: int, width: int, length: float) -> Array:
    """(height, width) noise drawn out along the rows, with unit deviation; its left and right edges join."""
    noise = source.normal(size=(height, width))
    wide = cv2.GaussianBlur(np.concatenate([noise, noise, noise], axis=1), (0, 0), sigmaX=length, sigmaY=0.7)
    middle = wide[:, width : 2 * width]
    result: Array = (middle - middle.mean()) / middle.std()
    return result


def sample_texture(texture: Array, rows: Array, columns: Array) -> Array:
    """Interpolate ``texture``, repeated in both directions, at fractional positions; rows and columns broadcast."""
    height, width = texture.shape
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, across = rows - top, columns - left
    upper = texture[top % height, left % width] * (1 - across) + texture[top % height, (left + 1) % width] * across
    lower_row = (top + 1) % height
    lower = texture[lower_row, left % width] * (1 - across) + texture[lower_row, (left + 1) % width] * across
    result: Array = upper * (1 - down) + lower * down
    return result
