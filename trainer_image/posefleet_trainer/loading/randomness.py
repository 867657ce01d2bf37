"""Random numbers that depend on nothing but what they are for."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are for; the numbers are part of every training's result."""

    FRAME_ORDER = 1
    FRAME_AUGMENTATION = 2
    CLIP_PLACE = 3
    CLIP_AUGMENTATION = 4
    NOISE = 5


def generator(seed: int, stream: Stream, index: int) -> np.random.Generator:
    """The random numbers of sample (or epoch) ``index`` in ``stream``.

    Philox (Salmon et al., SC 2011) is a function of key and counter, so any index is reached at once. The index is in
    a higher word of the counter than the one that counts draws: no two indexes share numbers.
    """
    return np.random.Generator(np.random.Philox(key=[seed, int(stream)], counter=[0, index, 0, 0]))
