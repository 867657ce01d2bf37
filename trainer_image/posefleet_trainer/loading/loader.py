"""What a training step gets."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from posefleet_trainer.loading.clips import ClipBatch, ClipLoader
from posefleet_trainer.loading.labelled import FrameBatch, LabelledLoader
from posefleet_trainer.telemetry.metrics import STEP_SECONDS


@dataclass
class TrainingBatch:
    """One rank's part of one step."""

    step: int
    frames: FrameBatch
    clip: ClipBatch | None
    """None while the unsupervised losses count for nothing."""


class TrainingLoader:
    """Iterates over the steps from ``first_step`` to ``steps``; waiting for data is measured.

    Args:
        labelled: labelled frames from ``first_step`` on.
        clips: clips from the later of ``first_step`` and ``first_clip_step`` on; None trains without.
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
