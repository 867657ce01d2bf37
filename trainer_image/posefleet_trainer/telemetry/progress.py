"""How far a process has come: the progress of its stages, and the time until its first training step."""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from posefleet_api.outcomes import ProgressReport
from posefleet_api.status import Checkpoint, Progress, Stage


class Timeline:
    """Seconds by part, in the order of their first mention; each ``mark`` ends one. Not safe for several threads."""

    def __init__(self, age_seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock() - (_age_of_process() if age_seconds is None else age_seconds)
        self.seconds: dict[str, float] = {}

    def mark(self, part: str) -> None:
        """What went by since the mark before was ``part``."""
        now = self._clock()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now

    def __str__(self) -> str:
        parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in self.seconds.items())
        return f"{sum(self.seconds.values()):.1f} s ({parts})"


def _age_of_process() -> float:
    """Seconds since this process began (proc_pid_stat(5), field 22, and proc_uptime(5))."""
    after_name = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    began = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return max(0.0, float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]) - began)


class ProgressTracker:
    """The present state of one process' work; safe to use from several threads."""

    def __init__(self, attempt: int, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._stage_began = clock()
        self._percent_at_start = 0.0
        self._past_stages: dict[str, float] = {}
        self._stage: Stage | None = None
        self._report = ProgressReport(attempt=attempt, progress=Progress())
        self.conclusion = ""
        """What there is to say in the end of work that went well."""

    def begin(self, stage: Stage, percent: float = 0.0, **fields: Any) -> None:
        """Enter a stage that is ``percent`` done already (a resumed training, say)."""
        with self._lock:
            self._past_stages = self._stage_seconds()
            self._stage, self._stage_began = stage, self._clock()
            self._percent_at_start = percent
        self.update(percent, stage=stage, eta_seconds=None, eta="", **fields)

    def update(self, percent: float, **fields: Any) -> None:
        """Note that the stage is ``percent`` done; ``fields`` are those of ``Progress``."""
        with self._lock:
            now = self._clock()
            progress = self._report.progress.model_copy(update={**fields, "percent": int(percent)})
            eta = self._eta_seconds(percent, now)
            progress = progress.model_copy(
                update={
                    "eta_seconds": eta,
                    "eta": "" if eta is None else readable_duration(eta),
                    "display": f"{progress.stage} {int(percent)}%",
                }
            )
            self._report = self._report.model_copy(
                update={"progress": progress, "last_step_time": self._timestamp(now)}
            )

    @staticmethod
    def _timestamp(moment: datetime) -> str:
        return moment.isoformat(timespec="milliseconds")

    def _eta_seconds(self, percent: float, now: datetime) -> int | None:
        done = percent - self._percent_at_start
        if done <= 0:
            return None
        elapsed = (now - self._stage_began).total_seconds()
        return round(elapsed * (100.0 - percent) / done)

    def alive(self) -> None:
        """Note that the work gets on, though the stage is not further done: a part of a file has come."""
        with self._lock:
            self._report = self._report.model_copy(update={"last_step_time": self._timestamp(self._clock())})

    def resumed_at(self, step: int) -> None:
        """Note the step that this attempt began at."""
        with self._lock:
            self._report = self._report.model_copy(update={"start_step": step})

    def saved(self, checkpoint: Checkpoint) -> None:
        """Note a checkpoint that is complete in the store."""
        with self._lock:
            self._report = self._report.model_copy(update={"last_checkpoint": checkpoint})

    def warn(self, sentence: str) -> None:
        """Note something that the job's author should know; each sentence once."""
        with self._lock:
            if sentence not in self._report.warnings:
                self._report = self._report.model_copy(update={"warnings": [*self._report.warnings, sentence]})

    def stage_seconds(self) -> dict[str, float]:
        """How long each stage has taken, the present one until now."""
        with self._lock:
            return self._stage_seconds()

    def _stage_seconds(self) -> dict[str, float]:
        seconds = dict(self._past_stages)
        if self._stage is not None:
            elapsed = (self._clock() - self._stage_began).total_seconds()
            seconds[self._stage] = round(seconds.get(self._stage, 0.0) + elapsed, 3)
        return seconds

    def report(self) -> ProgressReport:
        """A snapshot."""
        with self._lock:
            return self._report


def readable_duration(seconds: int) -> str:
    """``3725`` as ``1h2m``, ``190`` as ``3m10s``: the two largest units, as kubectl prints ages."""
    hours, rest = divmod(max(0, seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
