"""The GPU of a rank: is it there, and does it compute."""

import time

import torch

from posefleet_trainer.errors import PreflightFailed
from posefleet_trainer.preflight.findings import GpuFinding

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
