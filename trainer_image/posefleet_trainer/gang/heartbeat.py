"""The heartbeat that ranks send to rank 0, which answers the operator's question whether the job makes progress."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from posefleet_trainer.telemetry.progress import ProgressTracker

_KEY = "heartbeat"
_INTERVAL_SECONDS = 2.0


@contextmanager
def shared_heartbeat(store: Any, rank: int, progress: ProgressTracker) -> Iterator[None]:
    """Inside the block, let progress of any rank count as progress of rank 0.

    While rank 0 waits in a collective for another rank, for instance for a download of an hour, its own ``progress``
    does not change. A rank that hangs sends no heartbeat.

    Args:
        store: the ``torch.distributed`` store that the ranks joined through.
        rank: of this process.
        progress: of this process; on rank 0 it is also updated by the heartbeats of the others.
    """
    ended = threading.Event()
    work = _receive if rank == 0 else _send
    # The thread is not joined: a store whose host has gone may block it for minutes.
    threading.Thread(target=work, args=(store, progress, ended), name="heartbeat", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _send(store: Any, progress: ProgressTracker, ended: threading.Event) -> None:
    sent = progress.report().last_step_time
    while not ended.wait(_INTERVAL_SECONDS):
        latest = progress.report().last_step_time
        if latest != sent:
            try:
                store.add(_KEY, 1)
            except RuntimeError:
                # Rank 0 has gone; the next collective reports that better than a thread can.
                return
            sent = latest


def _receive(store: Any, progress: ProgressTracker, ended: threading.Event) -> None:
    received = 0
    while not ended.wait(_INTERVAL_SECONDS):
        try:
            count = store.add(_KEY, 0)
        except RuntimeError:
            return
        if count != received:
            received = count
            progress.alive()
