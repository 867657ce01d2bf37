"""Stopping a cluster by its state file."""

import shutil
from pathlib import Path

from .component import stop_processes
from .container_node import remove_footprint
from .state import ClusterState

_LAST = ("apiserver", "etcd")
_LEFTOVERS = ("control-plane/etcd", "nodes", "store/data", "monitoring/data")
_GRACE_SECONDS = 5.0


def shut_down(directory: Path) -> bool:
    """Stop every program of the cluster in ``directory``; return whether there was a cluster."""
    state = ClusterState.read(directory)
    if state is None:
        return False
    processes = state.processes()
    first = [identity for name, identity in processes.items() if name not in _LAST]
    stop_processes(first, _GRACE_SECONDS)
    for name in _LAST:
        if name in processes:
            stop_processes([processes[name]], _GRACE_SECONDS)
    remove_footprint(directory)
    ClusterState.forget(directory)
    return True


def remove_data(directory: Path) -> None:
    """Delete what a stopped cluster leaves on the disk, but not its logs."""
    for name in _LEFTOVERS:
        shutil.rmtree(directory / name, ignore_errors=True)
