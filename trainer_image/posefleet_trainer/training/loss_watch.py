"""Reading the losses of each step without making a GPU wait, and stopping at the first that is not a number."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from posefleet_trainer.loading.batches import TrainingBatch


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
