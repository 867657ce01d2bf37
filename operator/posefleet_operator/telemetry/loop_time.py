"""How long the iterations of an event loop take. During one, nothing else of the loop runs."""

import asyncio
import selectors
import time
from collections.abc import Callable


class LongestIteration:
    """The longest iteration of one or several event loops so far, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Return an event loop whose iterations are measured."""
        return asyncio.SelectorEventLoop(_TimedSelector(self._measured))

    def _measured(self, seconds: float) -> None:
        self.seconds = max(self.seconds, seconds)


class _TimedSelector(selectors.DefaultSelector):
    """Measures the time from the end of one wait for events to the begin of the next."""

    def __init__(self, measured: Callable[[float], None]) -> None:
        super().__init__()
        self._measured = measured
        self._woke_at = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._measured(time.monotonic() - self._woke_at)
        ready = super().select(timeout)
        self._woke_at = time.monotonic()
        return ready
