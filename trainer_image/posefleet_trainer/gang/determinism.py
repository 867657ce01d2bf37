"""Process-wide settings that make training reproducible bit for bit."""

import os

import cv2
import torch
from torch.utils import deterministic


def compute_threads(cpus_per_node: int, local_world: int) -> int:
    """CPU threads of one rank: an equal share of the manifest's ``resources.cpusPerNode``, at least one.

    The machine's own number of cores is not used, because the order of sums, and so their rounding, depends on the
    number of threads.
    """
    return max(1, cpus_per_node // local_world)


def make_reproducible(threads: int) -> None:
    """Compute with ``threads`` CPU threads, and with algorithms that sum in a fixed order.

    On a GPU, an operation that has no deterministic implementation logs a warning; on a CPU it raises ``RuntimeError``.
    """
    torch.set_num_threads(threads)
    # Otherwise Lightning sets the number of threads again, from the cores of the machine.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    cv2.setNumThreads(1)
    set_up_cublas()
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set up when torch starts
    torch.set_float32_matmul_precision("high")


def set_up_cublas() -> None:
    """Give cuBLAS a fixed workspace, without which some matrix products have no fixed order of summation.

    cuBLAS reads the variable when it starts, so call this before the first product on a GPU. See "Results
    reproducibility" in the cuBLAS documentation.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
