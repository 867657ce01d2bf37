"""What a rank notes about its attempt for the summary and the report: preflight findings, versions, times, errors.

Rank 0 writes its facts to a file that the launcher reads, so that they survive the rank.
"""

import contextlib
import platform
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from posefleet_api.base import ApiModel
from posefleet_api.outcomes import ProgressReport
from posefleet_trainer.telemetry.progress import ProgressTracker

_INTERVAL_SECONDS = 5.0

#: Names in the report, each with the distributions that may provide the library; the first one installed is used.
_LIBRARIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("posefleet", ("posefleet",)),
    ("PyTorch", ("torch",)),
    ("Lightning", ("pytorch-lightning", "lightning")),
    ("timm", ("timm",)),
    ("DALI", ("nvidia-dali-cuda130", "nvidia-dali-cuda120")),
    ("PyAV", ("av",)),
    ("OpenCV", ("opencv-python-headless", "opencv-python")),
    ("NumPy", ("numpy",)),
)


class GpuFinding(ApiModel):
    """The GPU of one rank."""

    name: str
    memory_bytes: int
    free_bytes: int
    flops: float
    """Floating-point operations per second of a small matrix product."""


class DecodingFinding(ApiModel):
    """Whether the GPU of one rank decodes video."""

    decodes: bool
    reason: str = ""
    """Why it does not decode."""


class CollectiveFinding(ApiModel):
    """How fast values are summed over all ranks, on the device that trains."""

    backend: str
    latency_seconds: float
    """Seconds for four bytes."""
    bytes_per_second: float
    """Measured with a few megabytes."""


class StoreFinding(ApiModel):
    """How fast the output folder answers."""

    latency_seconds: float
    """Seconds of a request that transfers no data."""
    write_bytes_per_second: float
    read_bytes_per_second: float


class SpaceFinding(ApiModel):
    """Whether the data fit into the cache of a node."""

    free_bytes: int
    """Free space on the disk, plus what is in the cache already."""
    limit_bytes: int
    """``resources.cachePerNode``."""
    needed_bytes: int
    """Size of the prepared data that training reads and of the largest video that is predicted."""


class RankFindings(ApiModel):
    """What the preflight of one rank found. Findings about a whole node are those of the node's first rank."""

    rank: int
    node: int
    host: str
    gpu: GpuFinding | None = None
    decoding: DecodingFinding | None = None
    collectives: CollectiveFinding | None = None
    store: StoreFinding | None = None
    space: SpaceFinding | None = None
    problem: str = ""
    """Why this rank cannot train; empty if it can."""


class ErrorOfFrames(ApiModel):
    """The distance between predictions and labels over one set of frames, in pixels of the source frames."""

    frames: int
    labels: int
    mean_pixels: float | None
    median_pixels: float | None


class Facts(ApiModel):
    """All facts that a rank has noted so far."""

    report: ProgressReport | None = None
    startup_seconds: dict[str, float] = {}
    """Seconds from the start of the process to the first training step, by part."""
    stage_seconds: dict[str, float] = {}
    """Seconds spent in each stage."""
    losses: dict[str, float] = {}
    """Weighted losses by term, averaged over the last epoch."""
    pixel_error: dict[str, ErrorOfFrames] = {}
    """By set of labelled frames."""
    versions: dict[str, str] = {}
    """See ``versions``."""
    preflight: list[RankFindings] = []
    """One entry for each rank."""


class FactsFile:
    """The facts of this process, written to a file whenever one is noted; kept in memory alone if there is no path."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._facts = Facts()
        self._lock = threading.Lock()

    def note(self, **facts: Any) -> None:
        """Set fields of ``Facts``."""
        with self._lock:
            self._facts = self._facts.model_copy(update=facts)
            if self._path is not None:
                beside = self._path.with_suffix(".new")
                # A full disk must not end a training.
                with contextlib.suppress(OSError):
                    beside.write_text(self._facts.to_json(), encoding="utf-8")
                    beside.replace(self._path)

    def follow(self, progress: ProgressTracker) -> None:
        """Note the progress every few seconds, from a thread that lives as long as the process."""
        if self._path is not None:
            threading.Thread(target=self._follow, args=(progress,), name="facts", daemon=True).start()

    def _follow(self, progress: ProgressTracker) -> None:
        pause = threading.Event()
        while True:
            self.note(report=progress.report(), stage_seconds=progress.stage_seconds())
            pause.wait(_INTERVAL_SECONDS)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries by name, and under ``Computed on`` the kind of machine."""
    found = {"Python": platform.python_version()}
    for name, distributions in _LIBRARIES:
        found[name] = next((text for one in distributions if (text := _version(one))), "not installed")
    found["Computed on"] = _processor()
    return found


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    # Preparing and the launcher read facts without torch.
    import torch

    if not torch.cuda.is_available():
        return f"CPU ({platform.machine()})"
    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
