"""The progress of a process: how far its stages are, and how its time until the first training step was spent."""

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
    """Seconds spent on each part of the start of a process. Not safe for use from several threads.

    Args:
        age_seconds: how long ago the first part began; the age of this process by default.
        clock: seconds on a monotonic clock.
    """

    def __init__(self, age_seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock() - (_age_of_process() if age_seconds is None else age_seconds)
        self.seconds: dict[str, float] = {}

    def mark(self, part: str) -> None:
        """Count the time since the previous mark as ``part``; the same part may be marked several times."""
        now = self._clock()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now

    def __str__(self) -> str:
        parts = ", ".join(f"{part} {seconds:.1f}" for part, seconds in self.seconds.items())
        return f"{sum(self.seconds.values()):.1f} s ({parts})"


def _age_of_process() -> float:
    """Return the seconds since this process began (proc_pid_stat(5), field 22, and proc_uptime(5))."""
    after_name = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    began = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
    return max(0.0, float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]) - began)


class ProgressTracker:
    """The progress, warnings and latest checkpoint of one process. Safe for use from several threads."""

    def __init__(self, attempt: int, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._stage_began = clock()
        self._percent_at_start = 0.0
        self._past_stages: dict[str, float] = {}
        self._stage: Stage | None = None
        self._request = ""
        self._taken_up: set[str] = set()
        self._report = ProgressReport(attempt=attempt, progress=Progress())
        self.conclusion = ""
        """The termination message of a process that succeeds."""

    def begin(self, stage: Stage, percent: float = 0.0, **fields: Any) -> None:
        """Begin a stage. ``percent`` of it is done already, for instance when a training resumes."""
        with self._lock:
            self._past_stages = self._stage_seconds()
            self._stage, self._stage_began = stage, self._clock()
            self._percent_at_start = percent
        self.update(percent, stage=stage, eta_seconds=None, eta="", **fields)

    def update(self, percent: float, **fields: Any) -> None:
        """Note that the stage is ``percent`` done. ``fields`` are other fields of ``Progress``, such as the step."""
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
        """Note that the process is at work although the percentage is the same: a part of a file has arrived, say."""
        with self._lock:
            self._report = self._report.model_copy(update={"last_step_time": self._timestamp(self._clock())})

    def resumed_at(self, step: int) -> None:
        """Note the step at which this attempt began to train."""
        with self._lock:
            self._report = self._report.model_copy(update={"start_step": step})

    def saved(self, checkpoint: Checkpoint, request: str = "") -> None:
        """Note the latest checkpoint that is complete in the store, and the request that it answers, if any."""
        answered = {"checkpoint_request": request} if request else {}
        with self._lock:
            self._report = self._report.model_copy(update={"last_checkpoint": checkpoint, **answered})

    def request_checkpoint(self, request: str) -> None:
        """Ask for a checkpoint at the end of the next step. The newest request replaces one that waits."""
        with self._lock:
            if request not in self._taken_up:
                self._request = request

    @property
    def checkpoint_request(self) -> str:
        """The request for a checkpoint that waits; empty if none does."""
        with self._lock:
            return self._request

    def take_up_checkpoint_request(self) -> str:
        """Return ``checkpoint_request``, for which a checkpoint begins now. A text is taken up only once."""
        with self._lock:
            request, self._request = self._request, ""
            self._taken_up.add(request)
        return request

    def warn(self, sentence: str) -> None:
        """Add a warning for the job's author, unless the same sentence is there already."""
        with self._lock:
            if sentence not in self._report.warnings:
                self._report = self._report.model_copy(update={"warnings": [*self._report.warnings, sentence]})

    def stage_seconds(self) -> dict[str, float]:
        """Return the seconds spent in each stage, including the time so far in the present one."""
        with self._lock:
            return self._stage_seconds()

    def _stage_seconds(self) -> dict[str, float]:
        seconds = dict(self._past_stages)
        if self._stage is not None:
            elapsed = (self._clock() - self._stage_began).total_seconds()
            seconds[self._stage] = round(seconds.get(self._stage, 0.0) + elapsed, 3)
        return seconds

    def report(self) -> ProgressReport:
        """Return the present state, as the operator reads it."""
        with self._lock:
            return self._report


def readable_duration(seconds: int) -> str:
    """Format a duration in its two largest units, as kubectl does: ``3725`` as ``1h2m``, ``190`` as ``3m10s``."""
    hours, rest = divmod(max(0, seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
