"""Where the time of a step goes: forward, backward, optimizer. The wait for data is measured by the loader."""

import sys
import time
from typing import Any

import pytorch_lightning as pl
import torch
from tqdm import tqdm

from posefleet_trainer.telemetry.metrics import ERROR_PIXELS, FRAMES, GPU_MEMORY_PEAK_BYTES, LOSS, STEP_SECONDS
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.training.plan import Plan


class StepTimer(pl.Callback):
    """Measures on the CPU's clock: on a GPU that is the time to queue the work, and the wait where there is one."""

    def __init__(self) -> None:
        self._last = 0.0

    def on_train_batch_start(self, *args: Any, **kwargs: Any) -> None:
        """The batch is here."""
        self._last = time.perf_counter()

    def on_before_backward(self, *args: Any, **kwargs: Any) -> None:
        """The loss is computed."""
        self._note("forward")

    def on_before_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """The gradients are there."""
        self._note("backward")

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """The weights have moved."""
        self._note("optimizer")

    def _note(self, part: str) -> None:
        now = time.perf_counter()
        STEP_SECONDS.labels(part).observe(now - self._last)
        self._last = now


#: How much of the smoothed values each step keeps.
_KEPT = 0.95


class Reporter:
    """Tells of steps and measurements; every rank has one, for its own metrics and progress."""

    def __init__(self, plan: Plan, progress: ProgressTracker, first_step: int, *, bar: bool) -> None:
        self._plan = plan
        self._progress = progress
        self._loss: float | None = None
        self._step_seconds: float | None = None
        self._last = time.monotonic()
        shown = bar and sys.stderr.isatty()
        self._bar = tqdm(total=plan.steps, initial=first_step, unit="step", desc="train", disable=not shown)

    def losses(self, terms: dict[str, float]) -> None:
        """The weighted losses of a step."""
        for name, value in terms.items():
            LOSS.labels(name).set(value)
        self._loss = _smoothed(self._loss, sum(terms.values()))

    def step_done(self, step: int) -> None:
        """``step`` steps are done."""
        now = time.monotonic()
        self._step_seconds = _smoothed(self._step_seconds, now - self._last)
        self._last = now
        mine = self._frames_of(step - 1)
        FRAMES.labels("train").inc(mine)
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
            frames_per_second=float(f"{mine * self._plan.world / max(self._step_seconds, 1e-9):.4g}"),
        )
        self._bar.update(1)
        self._bar.set_postfix(loss=loss, refresh=False)

    def validated(self, pixel_error: float) -> None:
        """The validation pixel error was measured."""
        ERROR_PIXELS.labels("validation").set(pixel_error)
        percent = float(self._progress.report().progress.percent)
        self._progress.update(percent, validation_pixel_error=float(f"{pixel_error:.4g}"))

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def _frames_of(self, step: int) -> int:
        with_clip = step >= self._plan.first_clip_step
        return self._plan.batch_size + (self._plan.clip_length if with_clip else 0)


def _smoothed(kept: float | None, value: float) -> float:
    return value if kept is None else _KEPT * kept + (1 - _KEPT) * value
