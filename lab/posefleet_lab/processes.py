"""Processes of this machine, read from ``/proc``; imports nothing but the standard library."""

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessIdentity:
    """A process by pid and start time, so that a pid given anew is not taken for it."""

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """Identify the running process ``pid``."""
        return cls(pid, _start_ticks(pid))

    @classmethod
    def read(cls, file: Path) -> "ProcessIdentity | None":
        """Return what ``write`` wrote, None if it never did."""
        try:
            return cls(**json.loads(file.read_text()))
        except FileNotFoundError:
            return None

    def write(self, file: Path) -> None:
        """Write a pid file."""
        file.write_text(json.dumps(asdict(self)))

    def alive(self) -> bool:
        """Tell whether it still runs; a zombie does not."""
        return _start_ticks(self.pid) == self.start_ticks

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal if it still runs."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def _start_ticks(pid: int) -> int:
    """Return the process's start in clock ticks since boot, 0 if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in {"Z", "X"} else int(fields[19])


def stop_processes(identities: Sequence[ProcessIdentity], grace_seconds: float = 10.0) -> None:
    """SIGTERM processes that another process started, wait, SIGKILL what is left."""
    for identity in identities:
        identity.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while any(identity.alive() for identity in identities):
        if time.monotonic() > deadline:
            for identity in identities:
                identity.signal(signal.SIGKILL)
        time.sleep(0.05)


def parents() -> dict[int, int]:
    """Return each process's parent."""
    found: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parent = _parent(entry)
            if parent is not None:
                found[int(entry.name)] = parent
    return found


def _parent(entry: Path) -> int | None:
    try:
        text = (entry / "stat").read_text()
    except OSError:
        return None  # it ended while we looked
    return int(text.rpartition(")")[2].split()[1])


def descendants(pid: int) -> list[int]:
    """Return the children of ``pid``, their children, and so on; without ``pid``."""
    children: dict[int, list[int]] = {}
    for child, parent in parents().items():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    waiting = list(children.get(pid, []))
    while waiting:
        child = waiting.pop()
        found.append(child)
        waiting += children.get(child, [])
    return found


def kill_descendants(deadline_seconds: float = 5.0) -> None:
    """SIGKILL everything below this process until nothing is left; it must be a subreaper."""
    deadline = time.monotonic() + deadline_seconds
    while time.monotonic() < deadline:
        living = descendants(os.getpid())
        if not living:
            return
        for pid in living:
            _kill(pid)
        _reap()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
