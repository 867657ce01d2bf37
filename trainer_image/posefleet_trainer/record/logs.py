"""The log of a pod, as much of it as is worth keeping."""

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
#: The parts of a signed URL that let somebody use it.
_SIGNED = re.compile(rb"(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"']+", re.IGNORECASE)
#: Shorter values would hide words that happen to be the same.
_SHORTEST_SECRET = 6


class BoundedLog:
    """Lines from several threads: the first ``head_bytes`` and the last ``tail_bytes`` of them."""

    def __init__(self, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        self._lock = threading.Lock()
        self._head: list[bytes] = []
        self._head_left = head_bytes
        self._tail: deque[bytes] = deque()
        self._tail_left = tail_bytes
        self._left_out = 0
        self.lines = 0
        """Added so far."""

    def add(self, line: bytes) -> None:
        """Add a line, with its end."""
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
        """What is kept, with a line where something was left out."""
        with self._lock:
            gap = [b"[... %d bytes left out here ...]\n" % self._left_out] if self._left_out else []
            return b"".join([*self._head, *gap, *self._tail])


def without_secrets(line: bytes, secrets: Sequence[bytes]) -> bytes:
    """The line with ``secrets``, and what a signed URL carries, hidden."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            line = line.replace(secret, _HIDDEN)
    return _SIGNED.sub(rb"\1" + _HIDDEN, line)


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
