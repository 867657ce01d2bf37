"""Joining the ranks of a job into a ``torch.distributed`` process group, and noticing that one of them has gone."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from posefleet_api.constants import ENV_RENDEZVOUS_HOST, ENV_RENDEZVOUS_PORT
from posefleet_trainer.errors import PeerLost, first_line
from posefleet_trainer.gang.heartbeat import shared_heartbeat
from posefleet_trainer.gang.preemption import killed_by_sigterm
from posefleet_trainer.telemetry.progress import ProgressTracker

#: How long a rank waits for its peers to join (pods of one gang start minutes apart), and in each collective of NCCL.
JOIN_TIMEOUT = timedelta(minutes=10)
#: How long a rank waits in a collective of gloo, where one rank may prepare, download or write for as long as that
#: takes. A peer that dies closes its connections, which ends the wait at once; one that hangs is left to the operator,
#: which applies the job's stallSeconds.
CPU_TIMEOUT = timedelta(hours=48)

#: Set by ``torchrun``, which keeps the ranks' store in a process of its own.
_STORE_OF_AGENT = "TORCHELASTIC_USE_AGENT_STORE"
#: Words of torch's messages by which a peer, not this rank, is at fault.
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
    """Join the ``world`` ranks of the job for the duration of the block. A rank that is alone joins nothing.

    Inside the block, progress of any rank counts as progress of rank 0 (see ``shared_heartbeat``).

    Raises:
        PeerLost: a peer did not join in time, or went away during a collective.
    """
    if world == 1:
        yield
        return
    import torch.distributed as dist

    with peer_errors():
        backend = "cpu:gloo,cuda:nccl" if _has_cuda() else "gloo"
        rank = int(os.environ["RANK"])
        with killed_by_sigterm():
            store = roll_call(rank, world, JOIN_TIMEOUT)
            dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=JOIN_TIMEOUT)
        _gloo_backend().set_timeout(CPU_TIMEOUT)
        with shared_heartbeat(store, rank, progress):
            yield
    dist.destroy_process_group()


def roll_call(rank: int, world: int, timeout: timedelta) -> Any:
    """Wait until all ``world`` ranks are connected to rank 0, and return the store through which they can join.

    Raises:
        PeerLost: some ranks did not connect within ``timeout``; the message names them.
    """
    from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

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


@contextmanager
def peer_errors() -> Iterator[None]:
    """Turn the errors that torch raises when another rank dies into ``PeerLost``."""
    try:
        yield
    except RuntimeError as error:
        if any(word in str(error) for word in _PEER_WORDS):
            raise PeerLost(f"another rank went away: {first_line(error)}") from error
        raise


def run_on_first_rank(rank: int, world: int, work: Callable[[], object]) -> None:
    """Run ``work`` on rank 0 while the other ranks wait for it, however long it takes.

    Raises:
        PeerLost: another rank went away.
    """
    if rank == 0:
        work()
    if world > 1:
        from posefleet_trainer.gang.collectives import wait_for_all

        with peer_errors():
            wait_for_all()


def _who_is_missing(store: Any, world: int, timeout: timedelta) -> str:
    local_world = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    missing = [rank for rank in range(world) if not store.check([str(rank)])]
    names = ", ".join(f"rank {rank} (node {rank // local_world})" for rank in missing)
    there = {store.get(str(rank)).decode() for rank in range(world) if rank not in missing}
    return (
        f"{names} did not join within {_minutes(timeout)}: the pod has not started, has ended, or cannot connect to "
        f"the others; ranks that joined run on {', '.join(sorted(there))}"
    )


def _minutes(timeout: timedelta) -> str:
    seconds = timeout.total_seconds()
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"


def _gloo_backend() -> Any:
    """The backend of the process group that communicates between CPUs."""
    import torch
    import torch.distributed as dist

    assert dist.group.WORLD is not None
    return dist.group.WORLD.get_backend(torch.device("cpu"))


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()
