"""The log of a pod: reading the output of its ranks, hiding credentials, and keeping its beginning and end."""

import contextlib
import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence

HEAD_BYTES = 2 * 2**20
TAIL_BYTES = 6 * 2**20
_HIDDEN = b"[hidden]"
#: The parameters of a signed URL that authorize its use.
_SIGNED = re.compile(rb"(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"']+", re.IGNORECASE)
#: Shorter values are not hidden, because they would match ordinary words.
_SHORTEST_SECRET = 6
#: A longer line is copied in pieces.
_LONGEST_LINE = 64 * 2**10


class BoundedLog:
    """A log that keeps its first ``head_bytes`` and its last ``tail_bytes``, in whole lines. Threads may share it."""

    def __init__(self, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        self._lock = threading.Lock()
        self._head: list[bytes] = []
        self._head_left = head_bytes
        self._tail: deque[bytes] = deque()
        self._tail_left = tail_bytes
        self._left_out = 0
        self.lines = 0
        """Number of lines added so far."""

    def add(self, line: bytes) -> None:
        """Add a line, which includes its line break."""
        with self._lock:
            self.lines += 1
            if self._head_left >= len(line) and not self._tail:
                self._head.append(line)
                self._head_left -= len(line)
                return
            self._tail.append(line)
            self._tail_left -= len(line)
            while self._tail_left < 0:
                oldest = self._tail.popleft()
                self._tail_left += len(oldest)
                self._left_out += len(oldest)

    def content(self) -> bytes:
        """Return what is kept, with a line that says how many bytes were left out where the middle is missing."""
        with self._lock:
            gap = [b"[... %d bytes left out here ...]\n" % self._left_out] if self._left_out else []
            return b"".join([*self._head, *gap, *self._tail])


def without_secrets(line: bytes, secrets: Sequence[bytes]) -> bytes:
    """Replace each of ``secrets``, and the credentials in a signed URL, by ``[hidden]``."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            line = line.replace(secret, _HIDDEN)
    return _SIGNED.sub(rb"\1" + _HIDDEN, line)


class Capture:
    """Copies the output of ranks to a log and to a file descriptor, with a thread for each rank.

    Args:
        log: receives every line.
        target: file descriptor that every line is also written to.
        secrets: replaced by ``[hidden]`` in every line.
        ranks: how many ranks will be followed. If there are several, each line names its rank.
    """

    def __init__(self, log: BoundedLog, target: int, secrets: Sequence[bytes], ranks: int) -> None:
        self._log = log
        self._target = target
        self._secrets = secrets
        self._several = ranks > 1
        self._writing = threading.Lock()
        self._threads: list[threading.Thread] = []

    def follow(self, rank: int, source: int) -> None:
        """Copy what ``rank`` writes to the file descriptor ``source``, until the rank closes it."""
        thread = threading.Thread(target=self._copy, args=(rank, source), name=f"log of rank {rank}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def close(self, within_seconds: float) -> None:
        """Wait for the last lines, but no longer: a child of a rank may keep the pipe open after the rank has ended."""
        deadline = time.monotonic() + within_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _copy(self, rank: int, source: int) -> None:
        for line in _lines(source):
            shown = without_secrets(self._with_rank(rank, line), self._secrets)
            self._log.add(shown)
            with self._writing, contextlib.suppress(OSError):
                _write_all(self._target, shown)

    def _with_rank(self, rank: int, line: bytes) -> bytes:
        if not self._several or b" rank %d/" % rank in line:
            return line
        return b"[rank %d] %s" % (rank, line)


def _lines(source: int) -> Iterator[bytes]:
    """Yield the lines of a file descriptor with their line breaks; the last one gets a line break if it has none."""
    unfinished = b""
    while chunk := os.read(source, _LONGEST_LINE):
        *whole, unfinished = (unfinished + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(unfinished) > _LONGEST_LINE:
            yield unfinished
            unfinished = b""
    if unfinished:
        yield unfinished + b"\n"


def _write_all(target: int, content: bytes) -> None:
    while content:
        content = content[os.write(target, content) :]
