"""The record of a running cluster, and how another process stops the cluster with it.

``python -m posefleet_lab.teardown DIRECTORY [--disposable]`` waits until its standard input ends and then stops the
cluster. The process that starts a cluster holds the other end, which closes however that process ends, so a test run
that is killed leaves nothing running.
"""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .container_node import remove_footprint
from .paths import GO_MODULES, write_private
from .processes import ProcessIdentity, stop_processes

_FILE = "cluster.json"
_LAST = ("apiserver", "etcd")
_LEFTOVERS = ("control-plane/etcd", "nodes", "store/data", "monitoring/data")
_GRACE_SECONDS = 5.0
DISPOSABLE = "--disposable"


@dataclass(frozen=True)
class ClusterState:
    """The programs of a running cluster and how to reach it, as kept in a file that only its owner can read.

    ``pid_files`` maps the name of each program to its pid file. ``store`` holds environment variables for S3 clients.
    ``pages`` maps names to addresses for a browser.
    """

    name: str
    kubeconfig: str
    pid_files: dict[str, str]
    store: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        """Write the file in ``directory`` atomically."""
        fresh = write_private(directory / f".{_FILE}", json.dumps(asdict(self), indent=2))
        fresh.replace(directory / _FILE)

    @classmethod
    def read(cls, directory: Path) -> "ClusterState | None":
        """Read the file in ``directory``. Returns None if there is none."""
        try:
            data = json.loads((directory / _FILE).read_text())
        except FileNotFoundError:
            return None
        return cls(**data)

    @staticmethod
    def delete(directory: Path) -> None:
        """Delete the file in ``directory`` if it exists."""
        (directory / _FILE).unlink(missing_ok=True)

    def running(self) -> dict[str, bool]:
        """Return for each program whether it runs."""
        processes = self.processes()
        return {name: name in processes and processes[name].alive() for name in self.pid_files}

    def processes(self) -> dict[str, ProcessIdentity]:
        """Return the last process of each program that was started."""
        found = {name: ProcessIdentity.read(Path(file)) for name, file in self.pid_files.items()}
        return {name: identity for name, identity in found.items() if identity is not None}


def shut_down(directory: Path) -> bool:
    """Stop every program of the cluster in ``directory``. Returns False if no cluster was running there."""
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
    ClusterState.delete(directory)
    return True


def remove_data(directory: Path) -> None:
    """Delete the data of a stopped cluster and keep its logs."""
    for name in _LEFTOVERS:
        shutil.rmtree(directory / name, ignore_errors=True)


def start_keeper(directory: Path, *, disposable: bool) -> "subprocess.Popen[bytes]":
    """Start a process that stops the cluster in ``directory`` when this process ends or closes its standard input.

    A ``disposable`` directory is deleted afterwards.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "posefleet_lab.teardown", str(directory), *([DISPOSABLE] if disposable else [])],
        stdin=subprocess.PIPE,
        env={"PYTHONPATH": str(GO_MODULES)},
        start_new_session=True,
    )


def main() -> None:
    """Wait until standard input ends, then stop the cluster and delete its data."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin.buffer.read()
    directory = Path(sys.argv[1])
    if shut_down(directory):
        remove_data(directory)
    if DISPOSABLE in sys.argv[2:]:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
