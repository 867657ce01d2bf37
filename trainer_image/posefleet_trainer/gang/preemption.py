"""SIGTERM becomes a flag that all ranks look at after each step.

A handler that acted at once would leave the other ranks waiting in a collective; a flag that is agreed upon stops all
of them after the same step, with one checkpoint.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether this process has been asked to stop."""

    def __init__(self) -> None:
        self.made = False

    def listen(self) -> None:
        """Take SIGTERM from now on. Only the main thread may."""
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.made = True


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """A request that SIGTERM makes; afterwards SIGTERM means what it meant before."""
    before = signal.getsignal(signal.SIGTERM)
    request = StopRequest()
    request.listen()
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)
