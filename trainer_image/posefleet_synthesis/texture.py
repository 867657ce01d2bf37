"""Procedural textures."""

import cv2
import numpy as np

from posefleet_synthesis.numbers import Array


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


def looked_up(texture: Array, rows: Array, columns: Array) -> Array:
    """``texture`` at fractional positions, repeated in both directions; rows and columns broadcast."""
    height, width = texture.shape
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, across = rows - top, columns - left
    upper = texture[top % height, left % width] * (1 - across) + texture[top % height, (left + 1) % width] * across
    lower_row = (top + 1) % height
    lower = texture[lower_row, left % width] * (1 - across) + texture[lower_row, (left + 1) % width] * across
    result: Array = upper * (1 - down) + lower * down
    return result
