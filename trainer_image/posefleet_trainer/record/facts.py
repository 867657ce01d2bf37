"""What rank 0 knows of its attempt, told to the launcher through a file so that it outlives the rank."""

import contextlib
import os
import threading
from pathlib import Path
from typing import Any, Protocol

from posefleet_api.base import ApiModel
from posefleet_api.outcomes import ProgressReport
from posefleet_trainer.preflight.findings import RankFindings
from posefleet_trainer.record.keeping import ENV_FACTS_FILE

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
