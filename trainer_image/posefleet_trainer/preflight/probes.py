"""The GPU of a rank: is it there, and does it compute."""

import shutil
import time
from pathlib import Path

import torch
import torch.distributed as dist

from posefleet_api.job import Spec
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.errors import InvalidInput, PreflightFailed
from posefleet_trainer.preparation.load import training_files
from posefleet_trainer.record.facts import CollectiveFinding, GpuFinding, SpaceFinding, StoreFinding
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.open import probe_object

_SIDE = 2048
_REPEATS = 5


def probe_gpu(local_rank: int, asked: int) -> GpuFinding | None:
    """Name, memory and speed; None where no GPU is asked for and none is visible.

    ``asked``: how many this pod asked for; 0 takes what there is.

    Raises:
        PreflightFailed: fewer GPUs are visible than asked for, or the rank's does not compute.
    """
    visible = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if visible < asked:
        raise PreflightFailed(
            f"{asked} GPU{'' if asked == 1 else 's'} asked for and {visible} visible: look at the driver and the "
            "device plugin of this node (`nvidia-smi` on it; several MIG slices in one pod count as one)"
        )
    if not visible:
        return None
    try:
        return _described(local_rank)
    except RuntimeError as error:
        raise PreflightFailed(f"GPU {local_rank} does not compute: {str(error).splitlines()[0]}") from error


def _described(device: int) -> GpuFinding:
    torch.cuda.set_device(device)
    properties = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    return GpuFinding(name=properties.name, memory_bytes=total, free_bytes=free, flops=_flops(device))


def _flops(device: int) -> float:
    """Of a product of matrices, in float32 as training has it; the first, which loads the library, is not counted."""
    matrix = torch.ones(_SIDE, _SIDE, device=f"cuda:{device}")
    product = matrix @ matrix
    if product[0, 0].item() != _SIDE:
        raise RuntimeError(f"a product of matrices is wrong: {product[0, 0].item()} instead of {_SIDE}")
    began = time.perf_counter()
    for _ in range(_REPEATS):
        product = matrix @ matrix
    torch.cuda.synchronize(device)
    return _REPEATS * 2.0 * _SIDE**3 / (time.perf_counter() - began)


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


def probe_space(directory: Path, limit_bytes: int, spec: Spec, prepared: Prepared) -> SpaceFinding:
    """Compare the cache's limit and its disk with the prepared data.

    Raises:
        InvalidInput: the limit is too low on any node.
        PreflightFailed: this node's disk is too full.
    """
    training = sum(file.size_bytes for file in training_files(spec, prepared))
    largest = max((video.source.size_bytes for video in prepared.predict_videos), default=0)
    needed = max(training, largest)
    if needed > limit_bytes:
        what = "training reads" if training > largest else "the largest video has"
        raise InvalidInput(
            f"the cache of a node may hold {limit_bytes:,} bytes and {what} {needed:,}; raise resources.cachePerNode"
        )
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free + _held(directory / "files")
    if needed > free:
        raise PreflightFailed(
            f"the disk under {directory} has {free:,} bytes for the cache and {needed:,} are needed; free some on this "
            "node, or keep pods off it by podTemplate.nodeSelector"
        )
    return SpaceFinding(free_bytes=free, limit_bytes=limit_bytes, needed_bytes=needed)


def _held(files: Path) -> int:
    """Bytes on the disk that lie in the cache already."""
    held = 0
    for path in files.glob("*"):
        try:
            held += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return held


_BYTES = 2**20


def probe_store(output: Store) -> StoreFinding:
    """Put an object of 1 MiB, read its second half, delete it.

    Raises:
        InvalidInput: the folder cannot be written; names it and the remedy.
        StoreUnreachable: the store did not answer.
    """
    began = time.perf_counter()
    with probe_object(output, bytes(_BYTES)) as key:
        written = time.perf_counter()
        stored = output.find(key)
        found = time.perf_counter()
        if stored is not None:
            output.read_range(stored, _BYTES // 2, _BYTES // 2)
        read = time.perf_counter()
    return StoreFinding(
        latency_seconds=found - written,
        write_bytes_per_second=_BYTES / (written - began),
        read_bytes_per_second=_BYTES / 2 / max(1e-9, read - found),
    )
