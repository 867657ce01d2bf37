"""Waiting for conditions, with a deadline that tells what it waited for."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(
    what: str,
    look: Callable[[], T | None],
    seconds: float = 60.0,
    poll_seconds: float = 0.1,
    explain: Callable[[], str] = lambda: "",
) -> T:
    """The first value of ``look`` that is truthy; ``explain`` says, after the deadline, how things stand instead."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s for {what}: {explain()}".removesuffix(": "))
        time.sleep(poll_seconds)
    return found
