"""The losses of a training: its history of one record per epoch, and the reading of each step's losses.

The history of a training that was interrupted and resumed is the same as that of one that was not.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from posefleet_trainer.loading.loader import TrainingBatch


class History:
    """The records of the epochs that are complete, and the sums over the steps of the current epoch.

    Args:
        state: what ``state`` returned when a checkpoint was written; None starts an empty history.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self.records: list[dict[str, Any]] = list(state["records"]) if state else []
        self._sums: dict[str, float] = dict(state["sums"]) if state else {}
        self._steps: int = state["steps"] if state else 0

    def state(self) -> dict[str, Any]:
        """Return a copy of the history as plain data, from which the constructor restores it."""
        return {"records": [dict(record) for record in self.records], "sums": dict(self._sums), "steps": self._steps}

    def add(self, terms: Mapping[str, float]) -> None:
        """Add the weighted losses of one step to the current epoch."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1

    def close_epoch(self, step: int, epoch: int, learning_rate: float, pixel_error: float | None) -> None:
        """Append the record of the current epoch, with the mean of each loss over its steps, and start the next one.

        Args:
            step: steps that are done since the start of the training.
            epoch: epochs that are done.
            learning_rate: the head's learning rate in the last step.
            pixel_error: mean validation error in source pixels; None if it was not measured.
        """
        record: dict[str, Any] = {
            "step": step,
            "epoch": epoch,
            "losses": {name: value / max(1, self._steps) for name, value in self._sums.items()},
            "learning_rate": learning_rate,
        }
        if pixel_error is not None:
            record["validation_pixel_error"] = pixel_error
        self.records.append(record)
        self._sums, self._steps = {}, 0


@dataclass(frozen=True)
class StepLosses:
    """The weighted losses of one step on this rank."""

    step: int
    terms: dict[str, float]
    files: list[str]
    """The labelled frames and the clip that the batch consisted of."""
    skipped: bool = False
    """Whether the gradient, averaged over all ranks, was not finite, so that the step did not change the weights."""

    @property
    def non_finite_terms(self) -> list[str]:
        """The names of the losses that are NaN or infinite."""
        return [name for name, value in self.terms.items() if not math.isfinite(value)]

    @property
    def is_finite(self) -> bool:
        """Whether the losses and the gradient of the step are finite."""
        return not self.skipped and not self.non_finite_terms

    def describe_non_finite(self, rank: int) -> str:
        """Return, for an error message, what is not finite in which step on ``rank``."""
        if not self.non_finite_terms:
            return f"the gradient is not finite in step {self.step}, although the losses are"
        terms = " and ".join(f"{name} = {self.terms[name]}" for name in self.non_finite_terms)
        return f"{terms} in step {self.step} on rank {rank}"


class LossWatch:
    """Reads the losses of each step, and whether it was skipped, in the order of the steps.

    The CPU does not wait for a GPU for this. On a CPU the losses of a step are read at once. On a GPU they are copied
    in the background and are read after the next step has been queued.
    """

    def __init__(self) -> None:
        self._pending: tuple[TrainingBatch, list[str], torch.Tensor, torch.cuda.Event | None] | None = None

    def push(self, batch: TrainingBatch, terms: Mapping[str, torch.Tensor], skipped: torch.Tensor) -> list[StepLosses]:
        """Start to read the losses of a step, and return those of the steps that are read.

        Args:
            batch: what the step trained on.
            terms: its weighted losses, scalars in float32.
            skipped: a scalar in float32, 1 if the gradient was not finite and 0 otherwise.
        """
        values = torch.stack([*terms.values(), skipped])
        if values.device.type == "cpu":
            return [_step_losses(batch, list(terms), values)]
        ready = self.flush()
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        host.copy_(values, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._pending = (batch, list(terms), host, event)
        return ready

    def flush(self) -> list[StepLosses]:
        """Wait for the losses that ``push`` has not returned yet, and return them."""
        if self._pending is None:
            return []
        batch, names, host, event = self._pending
        self._pending = None
        if event is not None:
            event.synchronize()
        return [_step_losses(batch, names, host)]


def _step_losses(batch: TrainingBatch, names: list[str], values: torch.Tensor) -> StepLosses:
    files = list(batch.frames.files)
    if batch.clip is not None:
        files.append(f"{batch.clip.file} from frame {batch.clip.start}")
    *terms, skipped = values.tolist()
    return StepLosses(batch.step, dict(zip(names, terms, strict=True)), files, bool(skipped))
