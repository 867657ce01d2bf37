"""What ranks print, passed on line by line and kept."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence

from posefleet_trainer.telemetry.bounded_log import BoundedLog, without_secrets

#: A line longer than this is passed on in pieces.
_LONGEST_LINE = 64 * 2**10


class Capture:
    """Reads the ranks' pipes in threads, so that none of them ever waits for another.

    Args:
        log: gets every line.
        target: the file descriptor that every line is passed on to.
        secrets: what must not be seen.
        ranks: how many will be followed; lines of several say whose they are.
    """

    def __init__(self, log: BoundedLog, target: int, secrets: Sequence[bytes], ranks: int) -> None:
        self._log = log
        self._target = target
        self._secrets = secrets
        self._several = ranks > 1
        self._writing = threading.Lock()
        self._threads: list[threading.Thread] = []

    def follow(self, rank: int, source: int) -> None:
        """Read the file descriptor ``source`` until its end."""
        thread = threading.Thread(target=self._pass_on, args=(rank, source), name=f"log of rank {rank}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def close(self, within_seconds: float) -> None:
        """Wait for the last lines; a process that a rank left behind may keep its pipe open for longer."""
        deadline = time.monotonic() + within_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _pass_on(self, rank: int, source: int) -> None:
        for line in _lines(source):
            shown = without_secrets(self._signed(rank, line), self._secrets)
            self._log.add(shown)
            with self._writing, contextlib.suppress(OSError):
                _write_all(self._target, shown)

    def _signed(self, rank: int, line: bytes) -> bytes:
        if not self._several or b" rank %d/" % rank in line:
            return line
        return b"[rank %d] %s" % (rank, line)


def _lines(source: int) -> Iterator[bytes]:
    rest = b""
    while chunk := os.read(source, _LONGEST_LINE):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > _LONGEST_LINE:
            yield rest
            rest = b""
    if rest:
        yield rest + b"\n"


def _write_all(target: int, content: bytes) -> None:
    while content:
        content = content[os.write(target, content) :]
