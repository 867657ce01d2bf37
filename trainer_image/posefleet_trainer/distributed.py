"""The process group of a job's ranks: gloo between CPUs, NCCL between GPUs.

torch is imported inside: a job of one process that only prepares does without it.
"""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from posefleet_trainer.errors import PeerLost
from posefleet_trainer.signs_of_life import shared_signs_of_life
from posefleet_trainer.telemetry.progress import ProgressTracker

_log = logging.getLogger(__name__)

#: How long a rank waits for its peers to join (pods of one gang start minutes apart), and in each collective of NCCL.
JOIN_TIMEOUT = timedelta(minutes=10)
#: How long it waits in a collective of gloo, where one rank may prepare, download or write for as long as that takes. A
#: peer that dies closes its connections, which ends the wait at once; one that hangs is for the job's stallSeconds.
CPU_TIMEOUT = timedelta(hours=48)
#: Words by which torch says that a peer, not this rank, is at fault.
_PEER_WORDS = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "Socket closed",
    "Timed out",
    "NCCL",
)


@contextmanager
def process_group(world: int, progress: ProgressTracker) -> Iterator[None]:
    """Join the ranks of the job for the duration; nothing where there is only one.

    Rank 0's ``progress`` gets on while any rank's does.

    Raises:
        PeerLost: a peer did not come, or went away during a collective.
    """
    if world == 1:
        yield
        return
    import torch.distributed as dist

    from posefleet_trainer.roll_call import roll_call

    with peer_errors():
        backend = "cpu:gloo,cuda:nccl" if _has_cuda() else "gloo"
        rank = int(os.environ["RANK"])
        with _killable():
            store = roll_call(rank, world, JOIN_TIMEOUT)
            dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=JOIN_TIMEOUT)
        _between_cpus().set_timeout(CPU_TIMEOUT)
        with shared_signs_of_life(store, rank, progress):
            yield
    dist.destroy_process_group()


@contextmanager
def _killable() -> Iterator[None]:
    """SIGTERM ends the process at once: the join waits for peers where Python's own handlers do not run."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _between_cpus() -> Any:
    """The part of the group that is gloo's."""
    import torch
    import torch.distributed as dist

    assert dist.group.WORLD is not None
    return dist.group.WORLD.get_backend(torch.device("cpu"))


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


@contextmanager
def peer_errors() -> Iterator[None]:
    """Turn what torch raises when another rank dies into ``PeerLost``."""
    try:
        yield
    except RuntimeError as error:
        if any(word in str(error) for word in _PEER_WORDS):
            raise PeerLost(f"another rank went away: {str(error).splitlines()[0]}") from error
        raise


def first_alone(rank: int, world: int, work: Callable[[], object]) -> None:
    """Rank 0 does ``work`` while the others wait for it, however long it takes.

    Raises:
        PeerLost: another rank went away.
    """
    if rank == 0:
        work()
    if world > 1:
        from posefleet_trainer.training.collectives import wait_for_all

        with peer_errors():
            wait_for_all()
