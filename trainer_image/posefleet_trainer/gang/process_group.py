"""Who of the ranks is there: asked before they join, so that whoever is missing can be named."""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from posefleet_api.constants import ENV_RENDEZVOUS_HOST, ENV_RENDEZVOUS_PORT
from posefleet_trainer.errors import PeerLost
from posefleet_trainer.gang.heartbeat import shared_signs_of_life
from posefleet_trainer.telemetry.progress import ProgressTracker

#: Set by ``torchrun``, which keeps the ranks' store in a process of its own.
_STORE_OF_AGENT = "TORCHELASTIC_USE_AGENT_STORE"


def roll_call(rank: int, world: int, timeout: timedelta) -> Any:
    """The store by which all ``world`` ranks, who have all said that they are there, can join.

    Raises:
        PeerLost: names the ranks that did not come within ``timeout``.
    """
    host, port = os.environ[ENV_RENDEZVOUS_HOST], int(os.environ[ENV_RENDEZVOUS_PORT])
    serves = rank == 0 and os.environ.get(_STORE_OF_AGENT) != str(True)
    try:
        tcp = TCPStore(host, port, None, serves, timeout=timeout, wait_for_workers=False, multi_tenant=True)
    except RuntimeError as error:
        raise PeerLost(
            f"rank 0 does not answer at {host}:{port} (waited {_minutes(timeout)}): its pod has not started, or the "
            "network does not let the pods of a job connect to each other"
        ) from error
    store = PrefixStore(f"roll-call-{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", tcp)
    store.set(str(rank), socket.gethostname())
    try:
        store.wait([str(other) for other in range(world)], timeout)
    except RuntimeError as error:
        raise PeerLost(_who_is_missing(store, world, timeout)) from error
    return PrefixStore("group", store)


def _who_is_missing(store: Any, world: int, timeout: timedelta) -> str:
    local_world = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    missing = [rank for rank in range(world) if not store.check([str(rank)])]
    names = ", ".join(f"rank {rank} (node {rank // local_world})" for rank in missing)
    there = {store.get(str(rank)).decode() for rank in range(world) if rank not in missing}
    return (
        f"{names} did not come within {_minutes(timeout)}: the pod has not started, has ended, or cannot connect to "
        f"the others; there are {', '.join(sorted(there))}"
    )


def _minutes(timeout: timedelta) -> str:
    seconds = timeout.total_seconds()
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"


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
        from posefleet_trainer.gang.collectives import wait_for_all

        with peer_errors():
            wait_for_all()
