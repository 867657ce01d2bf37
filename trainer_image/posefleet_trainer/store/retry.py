"""How long a store's silence is borne."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from posefleet_trainer.telemetry.metrics import STORE_RETRIES

T = TypeVar("T")

FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 5.0


class TransientError(Exception):
    """A failure that may go away by itself; the message is a reason in a few words, without any secret."""


class NoAnswer(Exception):
    """Every attempt within the patience failed."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.reason = reason


class Patience:
    """Repeats what fails transiently, with jittered exponential backoff, until ``seconds`` after its first failure."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform

    def insist(self, attempt: Callable[[], T]) -> T:
        """The result of the first attempt that succeeds.

        Raises:
            NoAnswer: the patience ran out; carries the last reason.
        """
        deadline: float | None = None
        delay = FIRST_DELAY_SECONDS
        while True:
            try:
                return attempt()
            except TransientError as error:
                now = self._clock()
                deadline = now + self.seconds if deadline is None else deadline
                if now >= deadline:
                    raise NoAnswer(self.seconds, str(error)) from error
                STORE_RETRIES.inc()
                self._sleep(min(self._uniform(delay / 2, delay), deadline - now))
                delay = min(2 * delay, LONGEST_DELAY_SECONDS)
