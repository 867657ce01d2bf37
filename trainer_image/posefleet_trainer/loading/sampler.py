"""Sampling: which frame or clip a sample is, which samples a rank takes, and random numbers without a state.

Everything random in a training is a function of its seed and of the number of a sample or an epoch. A resumed training
therefore needs no state of a generator, and any number of ranks draws the same samples.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np


class Stream(IntEnum):
    """Purposes of random numbers. Changing a value changes the result of every training."""

    FRAME_ORDER = 1
    FRAME_AUGMENTATION = 2
    CLIP_PLACE = 3
    CLIP_AUGMENTATION = 4
    NOISE = 5


def generator(seed: int, stream: Stream, index: int) -> np.random.Generator:
    """Return the generator of sample (or epoch) ``index`` in ``stream``.

    Philox (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011) is a function of key and counter, so
    any index is reached at once. The index is in a higher word of the counter than the one that counts draws, so that
    no two indexes share numbers.
    """
    return np.random.Generator(np.random.Philox(key=[seed, int(stream)], counter=[0, index, 0, 0]))


@dataclass(frozen=True)
class Share:
    """The samples that one rank takes of every step."""

    rank: int
    world: int
    per_step: int
    """Samples per rank and step."""

    def samples(self, step: int) -> list[int]:
        """Return the global numbers of this rank's samples in ``step``: those equal to ``rank`` modulo ``world``."""
        first = step * self.per_step * self.world
        return [first + self.rank + self.world * position for position in range(self.per_step)]


def steps_of(epochs: int, frames: int, per_rank: int, world: int) -> int:
    """Return the steps in which ``world`` ranks, ``per_rank`` frames each, see ``frames`` frames ``epochs`` times."""
    return math.ceil(epochs * frames / (per_rank * world))


@dataclass(frozen=True)
class FrameSampler:
    """Draws every labelled frame once per epoch, in an order that differs from epoch to epoch."""

    frames: int
    """Number of labelled frames."""
    seed: int

    def frame(self, sample: int) -> int:
        """Return the number (from 0) of the frame that is drawn as sample ``sample``."""
        epoch, position = divmod(sample, self.frames)
        return int(_order(self.seed, epoch, self.frames)[position])


@lru_cache(maxsize=8)
def _order(seed: int, epoch: int, frames: int) -> np.ndarray:
    return generator(seed, Stream.FRAME_ORDER, epoch).permutation(frames)


@dataclass(frozen=True)
class ClipPlace:
    """The place of a clip: the number of its video, and of its first frame in it."""

    video: int
    start: int


class ClipSampler:
    """Draws clips of consecutive frames; all possible clips of all videos are equally likely.

    Args:
        frames_of_videos: number of frames of each video.
        clip_length: frames per clip.
        seed: of the training.

    Raises:
        ValueError: no video is as long as a clip; the stage prepare refuses such data with a remedy.
    """

    def __init__(self, frames_of_videos: Sequence[int], clip_length: int, seed: int) -> None:
        self._seed = seed
        starts = [max(0, frames - clip_length + 1) for frames in frames_of_videos]
        self._ends = np.cumsum(starts)
        if not starts or self._ends[-1] == 0:
            longest = max(frames_of_videos, default=0)
            raise ValueError(f"no video has {clip_length} frames (the longest has {longest})")

    def clip(self, sample: int) -> ClipPlace:
        """Return the place of the clip that is drawn as sample ``sample``."""
        drawn = int(generator(self._seed, Stream.CLIP_PLACE, sample).integers(self._ends[-1]))
        video = int(np.searchsorted(self._ends, drawn, side="right"))
        return ClipPlace(video, drawn - (int(self._ends[video - 1]) if video else 0))
