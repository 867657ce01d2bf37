"""What SIGTERM does to a rank in each phase of its life.

======================= ==============================================================================================
phase                   effect of SIGTERM
======================= ==============================================================================================
all other work          ``Stopped`` is raised at once (``stop_at_once``)
joining the other ranks the kernel ends the process (``killed_by_sigterm``); the launcher reports ``Preempted``
training                a flag is set, on which all ranks agree after each step (``stop_request``)
predicting              a flag is set, which each rank checks after every batch (``stop_request``)
recording the exit      nothing (``ignore_sigterm``)
======================= ==============================================================================================

A handler that raised in the middle of training would leave the other ranks waiting in a collective. With a flag that
all ranks agree on, they stop after the same step, with one checkpoint.

Only the main thread of a process may call these functions.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from posefleet_trainer.errors import Stopped


def stop_at_once() -> None:
    """Let SIGTERM raise ``Stopped`` wherever the process is, from now on."""
    signal.signal(signal.SIGTERM, _raise_stopped)


def _raise_stopped(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise Stopped


@contextmanager
def killed_by_sigterm() -> Iterator[None]:
    """Let SIGTERM kill the process inside the block: torch waits for peers in C++, where no Python handler runs."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class StopRequest:
    """Whether this process has been asked to stop."""

    def __init__(self) -> None:
        self.made = False

    def listen(self) -> None:
        """Let SIGTERM set ``made``, from now on. A library may have replaced the handler; this puts it back."""
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.made = True


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Let SIGTERM set a flag inside the block, and restore the previous handler after it."""
    before = signal.getsignal(signal.SIGTERM)
    request = StopRequest()
    request.listen()
    try:
        yield request
    finally:
        signal.signal(signal.SIGTERM, before)


def ignore_sigterm() -> None:
    """Ignore SIGTERM from now on, while the exit is being recorded."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
