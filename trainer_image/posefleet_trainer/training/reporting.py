"""Reports of a training: the times, losses and errors that each rank publishes as metrics and as its progress."""

import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch
from tqdm import tqdm

from posefleet_api.status import Checkpoint
from posefleet_trainer.telemetry.metrics import ERROR_PIXELS, FRAMES, GPU_MEMORY_PEAK_BYTES, LOSS, STEP_SECONDS
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.training.plan import Plan

#: Weight of the previous value in an exponential moving average, per step.
_SMOOTHING = 0.95


class StepTimer(pl.Callback):
    """Callback that measures the time of the forward pass, the backward pass and the optimizer in every step.

    It measures on the CPU. With a GPU, that is the time to queue the work, plus the time that the CPU waits for the
    GPU. The time that a step waits for data is measured by the loader.
    """

    def __init__(self) -> None:
        self._last = 0.0

    def on_train_batch_start(self, *args: Any, **kwargs: Any) -> None:
        """Start to measure the forward pass."""
        self._last = time.perf_counter()

    def on_before_backward(self, *args: Any, **kwargs: Any) -> None:
        """Note the time of the forward pass."""
        self._note("forward")

    def on_before_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Note the time of the backward pass."""
        self._note("backward")

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Note the time of the optimizer."""
        self._note("optimizer")

    def _note(self, part: str) -> None:
        now = time.perf_counter()
        STEP_SECONDS.labels(part).observe(now - self._last)
        self._last = now


class Reporter:
    """Publishes the steps, losses and errors of a training as metrics, as progress, and as a bar on a terminal.

    Every rank has one, for its own metrics and progress.

    Args:
        plan: the length of the training.
        progress: the progress of this rank.
        first_step: the step at which this attempt starts.
        bar: whether to draw a bar if the standard error output is a terminal.
    """

    def __init__(self, plan: Plan, progress: ProgressTracker, first_step: int, *, bar: bool) -> None:
        self._plan = plan
        self._progress = progress
        self._loss: float | None = None
        self._step_seconds: float | None = None
        self._last = time.monotonic()
        shown = bar and sys.stderr.isatty()
        self._bar = tqdm(total=plan.steps, initial=first_step, unit="step", desc="train", disable=not shown)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint from which another attempt would continue; None if there is none yet. Rank 0 knows it."""
        return self._progress.report().last_checkpoint

    def losses(self, terms: dict[str, float]) -> None:
        """Publish the weighted losses of a step, by their names."""
        for name, value in terms.items():
            LOSS.labels(name).set(value)
        self._loss = _smoothed(self._loss, sum(terms.values()))

    def step_done(self, step: int) -> None:
        """Publish that ``step`` steps are done, and at what speed."""
        now = time.monotonic()
        self._step_seconds = _smoothed(self._step_seconds, now - self._last)
        self._last = now
        frames = self._frames_of(step - 1)
        FRAMES.labels("train").inc(frames)
        if torch.cuda.is_available():
            GPU_MEMORY_PEAK_BYTES.set(torch.cuda.max_memory_allocated())
        loss = None if self._loss is None else float(f"{self._loss:.4g}")
        self._progress.update(
            100.0 * self._plan.share_done(step),
            step=step,
            steps=self._plan.steps,
            epoch=self._plan.epoch(step),
            epochs=self._plan.epochs,
            loss=loss,
            frames_per_second=float(f"{frames * self._plan.world / max(self._step_seconds, 1e-9):.4g}"),
        )
        self._bar.update(1)
        self._bar.set_postfix(loss=loss, refresh=False)

    def validated(self, pixel_error: float) -> None:
        """Publish the mean validation error in source pixels."""
        ERROR_PIXELS.labels("validation").set(pixel_error)
        percent = float(self._progress.report().progress.percent)
        self._progress.update(percent, validation_pixel_error=float(f"{pixel_error:.4g}"))

    def close(self) -> None:
        """Stop drawing the bar."""
        self._bar.close()

    def _frames_of(self, step: int) -> int:
        """Return the number of frames, labelled or not, that one rank trains on in ``step``."""
        with_clip = step >= self._plan.first_clip_step
        return self._plan.batch_size + (self._plan.clip_length if with_clip else 0)


def _smoothed(average: float | None, value: float) -> float:
    """Return the exponential moving average after ``value``."""
    return value if average is None else _SMOOTHING * average + (1 - _SMOOTHING) * value
