"""Rank 0 is the one that is asked whether the job gets on: the others tell it that they do while it waits for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from posefleet_trainer.telemetry.progress import ProgressTracker

_KEY = "signs-of-life"
_SECONDS = 2.0


@contextmanager
def shared_signs_of_life(store: Any, rank: int, progress: ProgressTracker) -> Iterator[None]:
    """While one rank of a gang gets on, rank 0's ``progress`` says so: another node's download, say, may take an hour.

    ``store``: the ranks' ``torch.distributed`` store. A rank that hangs gives no sign.
    """
    ended = threading.Event()
    work = _listen if rank == 0 else _tell
    # Nobody waits for the thread: a store whose host has gone may keep it for minutes.
    threading.Thread(target=work, args=(store, progress, ended), name="signs of life", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _tell(store: Any, progress: ProgressTracker, ended: threading.Event) -> None:
    told = progress.report().last_step_time
    while not ended.wait(_SECONDS):
        moment = progress.report().last_step_time
        if moment != told:
            try:
                store.add(_KEY, 1)
            except RuntimeError:
                # Rank 0 has gone, which the next collective says better.
                return
            told = moment


def _listen(store: Any, progress: ProgressTracker, ended: threading.Event) -> None:
    heard = 0
    while not ended.wait(_SECONDS):
        try:
            count = store.add(_KEY, 0)
        except RuntimeError:
            return
        if count != heard:
            heard = count
            progress.alive()
