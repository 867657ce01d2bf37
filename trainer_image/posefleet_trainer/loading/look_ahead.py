"""Work done ahead in threads, handed out in order."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Produced = TypeVar("Produced")


class LookAhead(Generic[Produced]):
    """``produce(first)``, ``produce(first + 1)``, …: computed up to ``depth`` ahead, returned one a call, in order.

    What ``produce`` raises is raised by the call that would have returned its result.
    """

    def __init__(self, produce: Callable[[int], Produced], first: int, *, threads: int, depth: int) -> None:
        self._produce = produce
        self._next = first
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._waiting: deque[Future[Produced]] = deque()
        self._depth = depth

    def __call__(self) -> Produced:
        """The next result."""
        while len(self._waiting) <= self._depth:
            self._waiting.append(self._pool.submit(self._produce, self._next))
            self._next += 1
        return self._waiting.popleft().result()

    def close(self) -> None:
        """Stop; work that has not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)
