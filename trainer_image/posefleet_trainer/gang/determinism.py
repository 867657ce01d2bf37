"""Settings of this process without which the same training would not give the same weights."""

import os

import cv2
import torch
from torch.utils import deterministic

from posefleet_trainer.context import Context


def compute_threads(context: Context) -> int:
    """CPU threads of this rank: of the job's own numbers, because sums depend on it and machines differ."""
    return max(1, context.job.spec.resources.cpus_per_node // context.rank.local_world)


def make_reproducible(threads: int) -> None:
    """Compute with ``threads`` threads, and by algorithms whose sums have one order."""
    torch.set_num_threads(threads)
    # Without it Lightning sets the threads again, by the cores of the machine: other sums, and cores fought over.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    cv2.setNumThreads(1)
    set_up_cublas()
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set up when torch starts
    torch.set_float32_matmul_precision("high")


def set_up_cublas() -> None:
    """Read by cuBLAS when it starts, at the first product; without it some have no fixed order."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
