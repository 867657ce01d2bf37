"""Random numbers that depend on nothing but what they are for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np

from posefleet_trainer.errors import InvalidInput


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


@dataclass(frozen=True)
class Share:
    """What one rank takes of every step."""

    rank: int
    world: int
    per_step: int
    """Samples a rank and step."""

    def samples(self, step: int) -> list[int]:
        """The global numbers of this rank's samples in ``step``: those equal to ``rank`` modulo ``world``."""
        first = step * self.per_step * self.world
        return [first + self.rank + self.world * position for position in range(self.per_step)]


def steps_of(epochs: int, frames: int, per_rank: int, world: int) -> int:
    """Steps in which ``world`` ranks see ``frames`` labelled frames ``epochs`` times."""
    return math.ceil(epochs * frames / (per_rank * world))


@lru_cache(maxsize=8)
def _order(seed: int, epoch: int, frames: int) -> np.ndarray:
    return generator(seed, Stream.FRAME_ORDER, epoch).permutation(frames)


@dataclass(frozen=True)
class FrameSampler:
    """Labelled frames, each once an epoch, in an order of the epoch's own."""

    frames: int
    seed: int

    def frame(self, sample: int) -> int:
        """The frame (from 0) that sample ``sample`` is."""
        epoch, position = divmod(sample, self.frames)
        return int(_order(self.seed, epoch, self.frames)[position])


@dataclass(frozen=True)
class ClipPlace:
    """Where a clip begins."""

    video: int
    start: int


class ClipSampler:
    """Clips of consecutive frames; every possible clip of every video is as likely.

    Raises:
        InvalidInput: no video is as long as a clip.
    """

    def __init__(self, frames_of_videos: Sequence[int], clip_length: int, seed: int) -> None:
        self._seed = seed
        starts = [max(0, frames - clip_length + 1) for frames in frames_of_videos]
        self._ends = np.cumsum(starts)
        if not starts or self._ends[-1] == 0:
            longest = max(frames_of_videos, default=0)
            raise InvalidInput(
                f"no video of dataset.videos has {clip_length} frames (the longest has {longest}): "
                "lower training.clipLength, add longer videos, or set losses: {}"
            )

    def clip(self, sample: int) -> ClipPlace:
        """The clip that sample ``sample`` is."""
        drawn = int(generator(self._seed, Stream.CLIP_PLACE, sample).integers(self._ends[-1]))
        video = int(np.searchsorted(self._ends, drawn, side="right"))
        return ClipPlace(video, drawn - (int(self._ends[video - 1]) if video else 0))
