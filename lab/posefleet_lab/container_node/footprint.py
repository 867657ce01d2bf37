"""The record of what a container node creates outside its directory, and its removal.

The record is written before anything is created, so that another process can remove everything after a crash. A machine
can have only one such node, because kube-proxy's rules and the cgroups of pods apply to the whole machine.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path

from ..errors import StateError
from ..paths import write_private
from ..processes import ProcessIdentity
from . import network
from .containerd import RUN_DIRECTORY, containerd_socket, kill_containers
from .kernel import remove_pod_groups, remove_tree, restore_sysctls, saved_sysctls, unmount_below
from .network import PodNetwork

_CLAIM = "container-node.json"
_KUBELET_DEVICES = Path("/var/lib/kubelet/device-plugins")  # the kubelet has no option to change it
_CONTAINER_LOGS = Path("/var/log/containers")
_CNI_RESULTS = Path("/var/lib/cni/results")
_SANDBOXES = Path("state/containerd/io.containerd.grpc.v1.cri/sandboxes")


@dataclass(frozen=True)
class Footprint:
    """The files, sockets and network of a node, and the kernel settings from before it was started.

    ``owner`` identifies the process that starts and stops the node. The machine counts as in use while it runs, even
    before the node's programs start and after they end.
    """

    cluster: str
    cluster_directory: str
    directory: str
    bridge: str
    subnet: str
    pid_files: list[str]
    settings: dict[str, str] = field(default_factory=dict)
    owner: dict[str, int] | None = None

    @property
    def network(self) -> PodNetwork:
        """Return the node's network."""
        return PodNetwork(self.bridge, IPv4Network(self.subnet))

    def is_of(self, directory: Path) -> bool:
        """Return whether the node belongs to the cluster in ``directory``."""
        return self.cluster_directory == str(directory.resolve())

    def runs(self) -> bool:
        """Return whether the owner or any of the node's programs runs."""
        identities = [ProcessIdentity.read(Path(file)) for file in self.pid_files]
        identities.append(ProcessIdentity(**self.owner) if self.owner else None)
        return any(identity is not None and identity.alive() for identity in identities)

    def remove(self) -> None:
        """Remove everything that exists of the node, whose programs must have ended."""
        directory = Path(self.directory)
        kill_containers(containerd_socket())
        for place in (RUN_DIRECTORY, directory):
            unmount_below(place)
        self.network.remove()
        remove_pod_groups()
        self._remove_strays(directory)
        remove_tree(directory / "state")
        remove_tree(RUN_DIRECTORY / "containerd")
        restore_sysctls(self.settings)

    def _remove_strays(self, directory: Path) -> None:
        """Remove files of kubelet and CNI at places that cannot be configured."""
        for link in _CONTAINER_LOGS.glob("*.log"):
            if link.is_symlink() and link.readlink().is_relative_to(directory):
                link.unlink()
        for sandbox in (directory / _SANDBOXES).glob("*"):
            for result in _CNI_RESULTS.glob(f"*-{sandbox.name}-*"):
                result.unlink()
        for name in ("kubelet.sock", "kubelet_internal_checkpoint"):
            (_KUBELET_DEVICES / name).unlink(missing_ok=True)
        for emptied in (_CONTAINER_LOGS, _KUBELET_DEVICES, _KUBELET_DEVICES.parent, _CNI_RESULTS):
            if emptied.is_dir() and not any(emptied.iterdir()):
                emptied.rmdir()


def claim(footprint: Footprint) -> None:
    """Reserve the machine for a node, after removing what a crashed node left, and record its kernel settings.

    Raises:
        StateError: another container node runs, or the machine is a node of another Kubernetes cluster.
    """
    with _locked():
        if (other := current()) is not None:
            if other.runs():
                raise StateError(
                    f"cluster {other.cluster!r} runs a container node already, and a machine can have only one; wait "
                    f"for it, or end it with `posefleet-lab down --directory {other.cluster_directory}`"
                )
            _remove(other)
        if network.has_proxy_rules():
            raise StateError(
                "this machine has the packet filter rules of a kube-proxy, so it is a Kubernetes node already; "
                "use another machine, or end that node and run `kube-proxy --cleanup`"
            )
        owner = asdict(ProcessIdentity.of(os.getpid()))
        claimed = replace(footprint, settings=saved_sysctls(), owner=owner)
        write_private(RUN_DIRECTORY / _CLAIM, json.dumps(asdict(claimed), indent=2))


def current() -> Footprint | None:
    """Return the record of the node on this machine, running or crashed, or None if there is none."""
    try:
        return Footprint(**json.loads((RUN_DIRECTORY / _CLAIM).read_text()))
    except FileNotFoundError:
        return None


def remove_footprint(directory: Path) -> None:
    """Remove everything of the container node of the cluster in ``directory``, if it has one."""
    if not has_container_node(directory):
        return
    with _locked():
        # Another cluster may have reserved the machine while this process waited for the lock.
        if (found := current()) is not None and found.is_of(directory):
            _remove(found)


def has_container_node(directory: Path) -> bool:
    """Return whether the machine is reserved for the container node of the cluster in ``directory``."""
    if not os.access(RUN_DIRECTORY / _CLAIM, os.R_OK):
        return False  # there is no record, or only root can read it
    found = current()
    return found is not None and found.is_of(directory)


def _remove(footprint: Footprint) -> None:
    footprint.remove()
    (RUN_DIRECTORY / _CLAIM).unlink(missing_ok=True)


@contextmanager
def _locked() -> Iterator[None]:
    RUN_DIRECTORY.mkdir(mode=0o711, exist_ok=True)
    with (RUN_DIRECTORY / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
