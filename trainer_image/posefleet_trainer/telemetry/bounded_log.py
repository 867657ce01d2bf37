"""The log of a pod, as much of it as is worth keeping."""

import re
import threading
from collections import deque
from collections.abc import Sequence

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
