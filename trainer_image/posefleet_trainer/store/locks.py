"""Advisory locks between the processes and threads of one node."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FileLock:
    """A lock on a file of its own, shared by readers or held by one writer; the kernel frees it with the process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def share(self) -> None:
        """Wait for the writer, if any, to finish."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def hold(self) -> None:
        """Wait until nobody else has the lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def try_hold(self) -> bool:
        """Hold the lock if nobody else has it now."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Let go for good."""
        os.close(self._descriptor)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock at ``path`` for the block."""
    lock = FileLock(path)
    try:
        lock.hold()
        yield
    finally:
        lock.close()
