"""Where the time of a step goes: forward, backward, optimizer. The wait for data is measured by the loader."""

import time
from typing import Any

import pytorch_lightning as pl

from posefleet_trainer.telemetry.metrics import STEP_SECONDS


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
