"""The processes below a process, read from ``/proc``."""

import os
import signal
import time
from pathlib import Path


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
