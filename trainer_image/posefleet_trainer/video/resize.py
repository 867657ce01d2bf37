"""The one filter that brings pictures to another size, so that training and prediction see the same pixels.

Shrinking averages the source pixels under each target pixel (area sampling: no aliasing); enlarging interpolates
linearly. Both map pixel centres as ``models/coordinates.py`` does: target x is source ``(x + 0.5) * ratio - 0.5``.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def resize(image: Image, size: tuple[int, int]) -> Image:
    """``image`` (height, width, 3) at ``size`` = (height, width)."""
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)
