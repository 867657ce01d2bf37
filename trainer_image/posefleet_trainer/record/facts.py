"""What the probes found."""

import contextlib
import os
import platform
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import torch

from posefleet_api.base import ApiModel
from posefleet_api.outcomes import ProgressReport
from posefleet_trainer.record.keeping import ENV_FACTS_FILE


class GpuFinding(ApiModel):
    """One rank's GPU."""

    name: str
    memory_bytes: int
    free_bytes: int
    flops: float
    """Floating-point operations a second of a small matrix product."""


class DecodingFinding(ApiModel):
    """Whether a rank's GPU decodes video."""

    decodes: bool
    reason: str = ""
    """Why it does not."""


class CollectiveFinding(ApiModel):
    """What summing over all ranks takes, on the device that trains."""

    backend: str
    latency_seconds: float
    """Of four bytes."""
    bytes_per_second: float
    """Of a few megabytes."""


class StoreFinding(ApiModel):
    """The output folder."""

    latency_seconds: float
    """Of a question that transfers nothing."""
    write_bytes_per_second: float
    read_bytes_per_second: float


class SpaceFinding(ApiModel):
    """The cache of a node."""

    free_bytes: int
    """On its disk, with what lies in the cache already."""
    limit_bytes: int
    """resources.cachePerNode."""
    needed_bytes: int
    """By the prepared data that training reads, and by the largest video that is predicted."""


class RankFindings(ApiModel):
    """Of one rank; what concerns its whole node is told by the node's first."""

    rank: int
    node: int
    host: str
    gpu: GpuFinding | None = None
    decoding: DecodingFinding | None = None
    collectives: CollectiveFinding | None = None
    store: StoreFinding | None = None
    space: SpaceFinding | None = None
    problem: str = ""
    """Why this rank cannot train."""


#: Called by the first name; the first of the distributions that is installed counts.
_PACKAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("posefleet", ("posefleet",)),
    ("PyTorch", ("torch",)),
    ("Lightning", ("pytorch-lightning", "lightning")),
    ("timm", ("timm",)),
    ("DALI", ("nvidia-dali-cuda130", "nvidia-dali-cuda120")),
    ("PyAV", ("av",)),
    ("OpenCV", ("opencv-python-headless", "opencv-python")),
    ("NumPy", ("numpy",)),
)


def versions() -> dict[str, str]:
    """Name and version of the libraries, and the kind of machine."""
    found = {"Python": platform.python_version()}
    for name, distributions in _PACKAGES:
        found[name] = next((text for one in distributions if (text := _version(one))), "not installed")
    found["Computed on"] = _processor()
    return found


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    if not torch.cuda.is_available():
        return f"CPU ({platform.machine()})"
    return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"


_EVERY_SECONDS = 5.0


class Tracker(Protocol):
    """What knows how far the job is."""

    def report(self) -> ProgressReport:
        """A snapshot."""

    def stage_seconds(self) -> dict[str, float]:
        """How long each stage has taken."""


class ErrorOfFrames(ApiModel):
    """How far the predictions are from the labels of one set of frames."""

    frames: int
    labels: int
    mean_pixels: float | None
    median_pixels: float | None


class Facts(ApiModel):
    """A snapshot."""

    report: ProgressReport | None = None
    startup_seconds: dict[str, float] = {}
    """From the start of the process to the first step, by part."""
    stage_seconds: dict[str, float] = {}
    losses: dict[str, float] = {}
    """Weighted, by term; means over the last epoch."""
    pixel_error: dict[str, ErrorOfFrames] = {}
    """By set of labelled frames."""
    versions: dict[str, str] = {}
    preflight: list[RankFindings] = []
    """One entry a rank."""


class FactsFile:
    """Notes of this process; with a path they are written there whenever something is noted, and every few seconds."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._facts = Facts()
        self._lock = threading.Lock()

    @classmethod
    def from_environment(cls) -> "FactsFile":
        """Where the launcher wants it."""
        named = os.environ.get(ENV_FACTS_FILE)
        return cls(Path(named) if named else None)

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

    def follow(self, tracker: Tracker) -> None:
        """Note the progress every few seconds, until the process ends."""
        if self._path is not None:
            threading.Thread(target=self._follow, args=(tracker,), name="facts", daemon=True).start()

    def _follow(self, tracker: Tracker) -> None:
        pause = threading.Event()
        while True:
            self.note(report=tracker.report(), stage_seconds=tracker.stage_seconds())
            pause.wait(_EVERY_SECONDS)
