"""What the ranks tell each other besides gradients: a few numbers, on the CPU. A rank that is alone sends nothing."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist


def alone() -> bool:
    """Whether this process trains without others."""
    return not dist.is_initialized() or dist.get_world_size() == 1


def largest(values: Sequence[int]) -> list[int]:
    """The largest of each value over all ranks."""
    return _reduced(torch.tensor(values, dtype=torch.int32), dist.ReduceOp.MAX)


def total(values: Sequence[float]) -> list[float]:
    """The sum of each value over all ranks, in float64."""
    return _reduced(torch.tensor(values, dtype=torch.float64), dist.ReduceOp.SUM)


def from_first(value: Any) -> Any:
    """Rank 0's value."""
    if alone():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def from_all(value: Any) -> list[Any]:
    """Every rank's value, in the order of the ranks."""
    if alone():
        return [value]
    box: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(box, value)
    return box


def to_first(value: Any) -> list[Any]:
    """Every rank's value, in the order of the ranks, on rank 0; nothing on the others."""
    if alone():
        return [value]
    box: list[Any] = [None] * dist.get_world_size() if dist.get_rank() == 0 else []
    dist.gather_object(value, box or None, dst=0)
    return box


def wait_for_all() -> None:
    """Until every rank is here."""
    if not alone():
        dist.all_reduce(torch.zeros(1))


def share_buffers(module: torch.nn.Module) -> None:
    """Give every rank rank 0's running statistics, which DDP itself does only at the next step."""
    if alone():
        return
    for buffer in module.buffers():
        dist.broadcast(buffer, src=0)


def _reduced(values: torch.Tensor, operation: Any) -> list[Any]:
    if not alone():
        dist.all_reduce(values, op=operation)
    result: list[Any] = values.tolist()
    return result
