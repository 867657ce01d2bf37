"""The labelled frames of one set, as pictures and points at the network's size."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from posefleet_trainer.dataset.prepared import Frame
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.video.resize import resize

#: Decoded frames that a rank keeps: decoding costs more than all augmentation.
_KEPT_BYTES = 512 * 2**20


class Archive(Protocol):
    """Where labelled frames lie (``dataset.frames.FrameArchive``)."""

    def image(self, path: str) -> np.ndarray:
        """The picture (height, width, 3), RGB."""


class FrameStore:
    """The frames of one set at the network's size; those that fit in memory are decoded once."""

    def __init__(self, archive: Archive, frames: Sequence[Frame], image: Grid) -> None:
        self._archive = archive
        self.frames = frames
        self.image = image
        self._kept: dict[int, np.ndarray] = {}
        self._room = _KEPT_BYTES // (image.height * image.width * 3)

    def picture(self, frame: int) -> np.ndarray:
        """Frame ``frame`` (height, width, 3), RGB bytes."""
        kept = self._kept.get(frame)
        if kept is None:
            kept = resize(self._archive.image(self.frames[frame].path), (self.image.height, self.image.width))
            if len(self._kept) < self._room:
                self._kept[frame] = kept
        return kept

    def points(self, frame: int) -> np.ndarray:
        """The labels of frame ``frame`` (keypoint, xy) in image pixels, float32; NaN where there is none."""
        source = Grid(self.frames[frame].height, self.frames[frame].width)
        return between(self.labels(frame), source, self.image).astype(np.float32)

    def labels(self, frame: int) -> np.ndarray:
        """The labels of frame ``frame`` (keypoint, xy) in source pixels, float64; NaN where there is none."""
        return np.array([point or (np.nan, np.nan) for point in self.frames[frame].points], dtype=np.float64)
