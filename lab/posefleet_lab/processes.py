"""Processes of this machine, read from ``/proc``. Imports only the standard library, because the launcher uses it."""

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessIdentity:
    """A process identified by pid and start time, because another process may reuse the pid."""

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """Return the identity of the running process ``pid``."""
        return cls(pid, _start_ticks(pid))

    @classmethod
    def read(cls, file: Path) -> "ProcessIdentity | None":
        """Read a pid file. Returns None if the file does not exist."""
        try:
            return cls(**json.loads(file.read_text()))
        except FileNotFoundError:
            return None

    def write(self, file: Path) -> None:
        """Write this identity to a pid file."""
        file.write_text(json.dumps(asdict(self)))

    def alive(self) -> bool:
        """Return whether the process still runs. A zombie counts as ended."""
        return _start_ticks(self.pid) == self.start_ticks

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process if it still runs."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def _start_ticks(pid: int) -> int:
    """Return the start time of a process in clock ticks since boot, or 0 if it does not run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in {"Z", "X"} else int(fields[19])


def stop_processes(identities: Sequence[ProcessIdentity], grace_seconds: float = 10.0) -> None:
    """Send SIGTERM to processes, wait until they end, and send SIGKILL to those left after the grace period."""
    for identity in identities:
        identity.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while any(identity.alive() for identity in identities):
        if time.monotonic() > deadline:
            for identity in identities:
                identity.signal(signal.SIGKILL)
        time.sleep(0.05)


def parents() -> dict[int, int]:
    """Return the pid of the parent of every running process, by pid."""
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
        return None  # the process ended meanwhile
    return int(text.rpartition(")")[2].split()[1])


def descendants(pid: int) -> list[int]:
    """Return the children of ``pid``, their children, and so on, without ``pid`` itself."""
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
    """Send SIGKILL to all descendants of this process, which must be a subreaper, until none is left."""
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
