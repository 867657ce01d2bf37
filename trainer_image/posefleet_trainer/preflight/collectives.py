"""What summing over all ranks takes, over the network and on the device that training will use."""

import time

import torch
import torch.distributed as dist

from posefleet_trainer.errors import PreflightFailed
from posefleet_trainer.preflight.findings import CollectiveFinding

#: Joining has shown that all ranks are there; what takes longer now is a network that does not carry their data.
WITHIN_SECONDS = 60.0
_NUMBERS = 2**20
_SMALL_REPEATS, _LARGE_REPEATS = 5, 2


def probe_collectives(world: int) -> CollectiveFinding | None:
    """Latency and bandwidth; None for a rank that is alone. All ranks call it together.

    Raises:
        PreflightFailed: the sum does not come, or is wrong.
    """
    if world == 1:
        return None
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
    deadline = time.monotonic() + WITHIN_SECONDS
    backend = "nccl" if on_gpu else "gloo"
    # The first sum opens the connections.
    _sum(torch.ones(1, device=device), world, backend, deadline)
    small = min(_sum(torch.ones(1, device=device), world, backend, deadline) for _ in range(_SMALL_REPEATS))
    numbers = torch.ones(_NUMBERS, device=device)
    large = min(_sum(torch.ones_like(numbers), world, backend, deadline) for _ in range(_LARGE_REPEATS))
    size_bytes = numbers.element_size() * numbers.numel()
    return CollectiveFinding(backend=backend, latency_seconds=small, bytes_per_second=size_bytes / large)


def _sum(ones: torch.Tensor, world: int, backend: str, deadline: float) -> float:
    """Seconds that one all-reduce took."""
    began = time.perf_counter()
    work = dist.all_reduce(ones, async_op=True)
    assert work is not None
    while not work.is_completed():
        if time.monotonic() > deadline:
            raise PreflightFailed(
                f"a sum over all ranks by {backend} did not end within {WITHIN_SECONDS:.0f} s, although the ranks have "
                "found each other: the pods' network must let them connect to each other on any port (NetworkPolicy, "
                "and for nccl NCCL_SOCKET_IFNAME)"
            )
        time.sleep(0.0001)
    work.wait()
    if ones.is_cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    if ones[-1].item() != world:
        raise PreflightFailed(f"a sum over all ranks by {backend} is wrong: {ones[-1].item()} instead of {world}")
    return seconds
