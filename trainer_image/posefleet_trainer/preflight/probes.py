"""The probes of the preflight: the GPU of a rank, collectives between ranks, space for the cache, and the store."""

import shutil
import time
from pathlib import Path

import torch
import torch.distributed as dist

from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.errors import InvalidInput, PreflightFailed, first_line
from posefleet_trainer.preparation.load import training_files
from posefleet_trainer.record.facts import CollectiveFinding, GpuFinding, SpaceFinding, StoreFinding
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.open import probe_object

#: Size of the square matrices that are multiplied to measure the GPU.
_MATRIX_SIZE = 2048
_PRODUCTS = 5

#: The ranks have joined before, so a sum that takes longer fails because of the network that carries the data.
COLLECTIVES_TIMEOUT_SECONDS = 60.0
_LARGE_SUM_NUMBERS = 2**20
_SMALL_SUMS, _LARGE_SUMS = 5, 2

_PROBE_OBJECT_BYTES = 2**20


def probe_gpu(local_rank: int, requested: int) -> GpuFinding | None:
    """Measure the GPU of a rank; None if no GPU is visible and none was requested.

    Args:
        local_rank: The number of the rank on its node, and of its GPU.
        requested: How many GPUs the pod requested; 0 accepts any number.

    Raises:
        PreflightFailed: Fewer GPUs are visible than requested, or the GPU does not compute correctly.
    """
    visible = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if visible < requested:
        raise PreflightFailed(
            f"{requested} GPU{'' if requested == 1 else 's'} requested and {visible} visible: check the driver and the "
            "device plugin of this node (`nvidia-smi` on it; several MIG slices in one pod count as one)"
        )
    if not visible:
        return None
    try:
        return _measure_gpu(local_rank)
    except RuntimeError as error:
        raise PreflightFailed(f"GPU {local_rank} does not compute: {first_line(error)}") from error


def _measure_gpu(device: int) -> GpuFinding:
    torch.cuda.set_device(device)
    properties = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    return GpuFinding(name=properties.name, memory_bytes=total, free_bytes=free, flops=_flops(device))


def _flops(device: int) -> float:
    """Return the floating-point operations per second of a matrix product in float32.

    The first product, which loads the library, is not counted; its result is checked.
    """
    matrix = torch.ones(_MATRIX_SIZE, _MATRIX_SIZE, device=f"cuda:{device}")
    product = matrix @ matrix
    if product[0, 0].item() != _MATRIX_SIZE:
        raise RuntimeError(f"a matrix product is wrong: {product[0, 0].item()} instead of {_MATRIX_SIZE}")
    began = time.perf_counter()
    for _ in range(_PRODUCTS):
        product = matrix @ matrix
    torch.cuda.synchronize(device)
    return _PRODUCTS * 2.0 * _MATRIX_SIZE**3 / (time.perf_counter() - began)


def probe_collectives(world: int) -> CollectiveFinding | None:
    """Measure latency and bandwidth of sums over all ranks; None if there is only one rank.

    All ranks must call it together.

    Raises:
        PreflightFailed: A sum takes longer than ``COLLECTIVES_TIMEOUT_SECONDS`` or is wrong.
    """
    if world == 1:
        return None
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
    deadline = time.monotonic() + COLLECTIVES_TIMEOUT_SECONDS
    backend = "nccl" if on_gpu else "gloo"
    # The first sum opens the connections.
    _sum(torch.ones(1, device=device), world, backend, deadline)
    small = min(_sum(torch.ones(1, device=device), world, backend, deadline) for _ in range(_SMALL_SUMS))
    numbers = torch.ones(_LARGE_SUM_NUMBERS, device=device)
    large = min(_sum(torch.ones_like(numbers), world, backend, deadline) for _ in range(_LARGE_SUMS))
    size_bytes = numbers.element_size() * numbers.numel()
    return CollectiveFinding(backend=backend, latency_seconds=small, bytes_per_second=size_bytes / large)


def _sum(ones: torch.Tensor, world: int, backend: str, deadline: float) -> float:
    """Sum ``ones`` over all ranks in place, and return how many seconds it took."""
    began = time.perf_counter()
    work = dist.all_reduce(ones, async_op=True)
    assert work is not None
    while not work.is_completed():
        if time.monotonic() > deadline:
            raise PreflightFailed(
                f"a sum over all ranks by {backend} did not end within {COLLECTIVES_TIMEOUT_SECONDS:.0f} s, "
                "although the ranks have joined: the pods' network must let them connect to each other on any port "
                "(NetworkPolicy, and for nccl NCCL_SOCKET_IFNAME)"
            )
        time.sleep(0.0001)
    work.wait()
    if ones.is_cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    if ones[-1].item() != world:
        raise PreflightFailed(f"a sum over all ranks by {backend} is wrong: {ones[-1].item()} instead of {world}")
    return seconds


def probe_space(directory: Path, limit_bytes: int, prepared: Prepared) -> SpaceFinding:
    """Compare what training and prediction need with the limit of the cache and with the free space of its disk.

    Raises:
        InvalidInput: The limit, ``resources.cachePerNode``, is too low.
        PreflightFailed: The disk of this node is too full.
    """
    training = sum(file.size_bytes for file in training_files(prepared))
    largest = max((video.source.size_bytes for video in prepared.predict_videos), default=0)
    needed = max(training, largest)
    if needed > limit_bytes:
        what = "training reads" if training > largest else "the largest video has"
        raise InvalidInput(
            f"the cache of a node may hold {limit_bytes:,} bytes and {what} {needed:,}; raise resources.cachePerNode"
        )
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free + _cached_bytes(directory / "files")
    if needed > free:
        raise PreflightFailed(
            f"the disk under {directory} has {free:,} bytes for the cache and {needed:,} are needed; free some on this "
            "node, or keep pods off it by pod.nodeSelector"
        )
    return SpaceFinding(free_bytes=free, limit_bytes=limit_bytes, needed_bytes=needed)


def _cached_bytes(files: Path) -> int:
    """Return the disk space of the files that are in the cache already."""
    cached = 0
    for path in files.glob("*"):
        try:
            cached += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return cached


def probe_store(output: Store) -> StoreFinding:
    """Measure the output folder: write an object of 1 MiB, look it up, read its second half, and delete it.

    Raises:
        InvalidInput: The folder cannot be written.
        StoreUnreachable: The store did not answer.
    """
    began = time.perf_counter()
    with probe_object(output, bytes(_PROBE_OBJECT_BYTES)) as key:
        written = time.perf_counter()
        stored = output.find(key)
        found = time.perf_counter()
        if stored is not None:
            output.read_range(stored, _PROBE_OBJECT_BYTES // 2, _PROBE_OBJECT_BYTES // 2)
        read = time.perf_counter()
    return StoreFinding(
        latency_seconds=found - written,
        write_bytes_per_second=_PROBE_OBJECT_BYTES / (written - began),
        read_bytes_per_second=_PROBE_OBJECT_BYTES / 2 / max(1e-9, read - found),
    )
