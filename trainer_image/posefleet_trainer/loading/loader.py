"""Loading of training batches: the labelled frames and the clip of each step."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from posefleet_trainer.loading.clips import ClipBatch, ClipLoader
from posefleet_trainer.loading.labelled import FrameBatch, LabelledLoader
from posefleet_trainer.telemetry.metrics import STEP_SECONDS


@dataclass
class TrainingBatch:
    """The part of one rank in one step."""

    step: int
    frames: FrameBatch
    clip: ClipBatch | None
    """None while the factor of the unsupervised losses is zero, or if there are none."""


class TrainingLoader:
    """Iterates over the steps from ``first_step`` to ``steps``, and measures how long each waits for its data.

    Args:
        labelled: loads labelled frames from ``first_step`` on.
        clips: loads clips from the later of ``first_step`` and ``first_clip_step`` on; None trains without.
        first_step: the first step of this attempt.
        first_clip_step: the first step of the training that has a clip.
        steps: the steps of the whole training.
    """

    def __init__(
        self, labelled: LabelledLoader, clips: ClipLoader | None, *, first_step: int, first_clip_step: int, steps: int
    ) -> None:
        self._labelled = labelled
        self._clips = clips
        self._first_clip_step = first_clip_step
        self._range = range(first_step, steps)

    def __len__(self) -> int:
        return len(self._range)

    def __iter__(self) -> Iterator[TrainingBatch]:
        for step in self._range:
            began = time.perf_counter()
            batch = self._batch(step)
            STEP_SECONDS.labels("data").observe(time.perf_counter() - began)
            yield batch

    def close(self) -> None:
        """Stop decoding ahead."""
        self._labelled.close()
        if self._clips is not None:
            self._clips.close()

    def _batch(self, step: int) -> TrainingBatch:
        with_clip = self._clips is not None and step >= self._first_clip_step
        return TrainingBatch(
            step=step,
            frames=self._labelled.next_batch(),
            clip=self._clips.next_batch() if self._clips is not None and with_clip else None,
        )
