"""Who of the ranks is there: asked before they join, so that whoever is missing can be named."""

import os
import socket
from datetime import timedelta
from typing import Any

# torch exports them in a way that type checkers do not see.
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from posefleet_api.constants import ENV_RENDEZVOUS_HOST, ENV_RENDEZVOUS_PORT
from posefleet_trainer.errors import PeerLost

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
