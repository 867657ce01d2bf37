"""The record of a training: one entry an epoch, the same in an interrupted training and in one that was not."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from posefleet_trainer.loading.loader import TrainingBatch


class History:
    """Means over epochs. Its state is plain data and goes into every checkpoint."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self.records: list[dict[str, Any]] = list(state["records"]) if state else []
        self._sums: dict[str, float] = dict(state["sums"]) if state else {}
        self._steps: int = state["steps"] if state else 0

    def state(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {"records": [dict(record) for record in self.records], "sums": dict(self._sums), "steps": self._steps}

    def add(self, terms: Mapping[str, float]) -> None:
        """Count one step's weighted losses."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1

    def close_epoch(self, step: int, epoch: int, learning_rate: float, pixel_error: float | None) -> None:
        """Write the entry of the epoch that ended with ``step``."""
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

    @property
    def last_pixel_error(self) -> float | None:
        """The validation pixel error at its last measurement."""
        measured = [r["validation_pixel_error"] for r in self.records if "validation_pixel_error" in r]
        return measured[-1] if measured else None


@dataclass(frozen=True)
class Measured:
    """The losses of one step on this rank."""

    step: int
    terms: dict[str, float]
    files: list[str]
    """Frames and clip of the batch."""

    @property
    def culprits(self) -> list[str]:
        """The terms that are not finite."""
        return [name for name, value in self.terms.items() if not math.isfinite(value)]

    def complaint(self, rank: int) -> str:
        """A sentence about a term that is not finite."""
        terms = " and ".join(f"{name} = {self.terms[name]}" for name in self.culprits)
        return f"{terms} in step {self.step} on rank {rank}, whose batch was {', '.join(self.files)}"


class LossWatch:
    """Losses in the order of the steps. On a GPU those of a step are ready when the next one has been queued."""

    def __init__(self) -> None:
        self._pending: tuple[TrainingBatch, list[str], torch.Tensor, torch.cuda.Event | None] | None = None

    def push(self, batch: TrainingBatch, terms: Mapping[str, torch.Tensor]) -> list[Measured]:
        """Note a step's terms; returns those that are ready."""
        values = torch.stack(list(terms.values()))
        if values.device.type == "cpu":
            return [_measured(batch, list(terms), values)]
        ready = self.flush()
        host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        host.copy_(values, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._pending = (batch, list(terms), host, event)
        return ready

    def flush(self) -> list[Measured]:
        """Whatever is not returned yet, waiting for it."""
        if self._pending is None:
            return []
        batch, names, host, event = self._pending
        self._pending = None
        if event is not None:
            event.synchronize()
        return [_measured(batch, names, host)]


def _measured(batch: TrainingBatch, names: list[str], values: torch.Tensor) -> Measured:
    files = list(batch.frames.files)
    if batch.clip is not None:
        files.append(f"{batch.clip.file} from frame {batch.clip.start}")
    return Measured(batch.step, dict(zip(names, values.tolist(), strict=True)), files)
