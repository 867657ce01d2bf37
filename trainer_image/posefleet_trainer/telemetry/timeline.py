"""Where the time goes between the start of a process and its first training step."""

import os
import time
from collections.abc import Callable
from pathlib import Path


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
