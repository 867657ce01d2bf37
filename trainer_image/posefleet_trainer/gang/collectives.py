"""What the ranks tell each other besides gradients: small values, between CPUs.

All ranks must call these functions in the same order. A rank that is alone communicates with nobody and gets its own
value back.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist


def alone() -> bool:
    """Return whether this process trains without others."""
    return not dist.is_initialized() or dist.get_world_size() == 1


def largest(values: Sequence[int]) -> list[int]:
    """Return the largest of each value over all ranks. Each rank passes the same number of values."""
    return _all_reduce(torch.tensor(values, dtype=torch.int32), dist.ReduceOp.MAX)


def total(values: Sequence[float]) -> list[float]:
    """Return the sum of each value over all ranks, in float64. Each rank passes the same number of values."""
    return _all_reduce(torch.tensor(values, dtype=torch.float64), dist.ReduceOp.SUM)


def from_first(value: Any) -> Any:
    """Return rank 0's value on every rank. The value must be picklable; the other ranks' values are not used."""
    if alone():
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def from_all(value: Any) -> list[Any]:
    """Return every rank's value, in the order of the ranks, on every rank. The values must be picklable."""
    if alone():
        return [value]
    box: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(box, value)
    return box


def to_first(value: Any) -> list[Any]:
    """Return every rank's value, in the order of the ranks, on rank 0, and an empty list on the others."""
    if alone():
        return [value]
    box: list[Any] = [None] * dist.get_world_size() if dist.get_rank() == 0 else []
    dist.gather_object(value, box or None, dst=0)
    return box


def wait_for_all() -> None:
    """Wait until every rank has called this."""
    if not alone():
        dist.all_reduce(torch.zeros(1))


def share_buffers(module: torch.nn.Module) -> None:
    """Copy rank 0's buffers (running statistics of batch norm) to every rank, as DDP does at the next forward pass."""
    if alone():
        return
    for buffer in module.buffers():
        dist.broadcast(buffer, src=0)


def _all_reduce(values: torch.Tensor, operation: Any) -> list[Any]:
    if not alone():
        dist.all_reduce(values, op=operation)
    result: list[Any] = values.tolist()
    return result
