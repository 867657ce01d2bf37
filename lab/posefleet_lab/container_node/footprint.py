"""What a container node leaves on the machine, written down before it is made, so that anyone can remove it.

A machine has room for one such node: the rules of kube-proxy and the pods' control groups are the whole machine's.
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
_KUBELET_DEVICES = Path("/var/lib/kubelet/device-plugins")  # the kubelet has no option for it
_CONTAINER_LOGS = Path("/var/log/containers")
_CNI_RESULTS = Path("/var/lib/cni/results")
_SANDBOXES = Path("state/containerd/io.containerd.grpc.v1.cri/sandboxes")


@dataclass(frozen=True)
class Footprint:
    """Where a node's files, sockets and network are, and the kernel settings from before it."""

    cluster: str
    cluster_directory: str
    directory: str
    bridge: str
    subnet: str
    pid_files: list[str]
    settings: dict[str, str] = field(default_factory=dict)
    #: Who starts and ends the node: before its programs run, and when they have ended, the machine is still taken.
    owner: dict[str, int] | None = None

    @property
    def network(self) -> PodNetwork:
        """Return the node's network."""
        return PodNetwork(self.bridge, IPv4Network(self.subnet))

    def is_of(self, directory: Path) -> bool:
        """Tell whether it is that of the cluster in ``directory``."""
        return self.cluster_directory == str(directory.resolve())

    def runs(self) -> bool:
        """Tell whether any of the node's programs runs, or the process that starts and ends them."""
        identities = [ProcessIdentity.read(Path(file)) for file in self.pid_files]
        identities.append(ProcessIdentity(**self.owner) if self.owner else None)
        return any(identity is not None and identity.alive() for identity in identities)

    def remove(self) -> None:
        """Remove everything; each part that is not there is left out. The node's programs must have ended."""
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
        """Remove what kubelet and CNI keep at places of their own choice."""
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
    """Take the machine for a node and note its kernel settings, after removing what a node that crashed left behind.

    Raises StateError if another node runs, or a real Kubernetes node.
    """
    with _locked():
        if (other := current()) is not None:
            if other.runs():
                raise StateError(
                    f"cluster {other.cluster!r} runs a container node already, and a machine has room for one; wait "
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
    """Return what the machine is taken for, or what a crash left on it."""
    try:
        return Footprint(**json.loads((RUN_DIRECTORY / _CLAIM).read_text()))
    except FileNotFoundError:
        return None


def remove_footprint(directory: Path) -> None:
    """Remove what the container node of the cluster in ``directory`` left, if there is one."""
    if not has_container_node(directory):
        return
    with _locked():
        # Asked again: the machine may have been taken for another cluster while this one waited.
        if (found := current()) is not None and found.is_of(directory):
            _remove(found)


def has_container_node(directory: Path) -> bool:
    """Tell whether the machine is taken for the container node of the cluster in ``directory``."""
    if not os.access(RUN_DIRECTORY / _CLAIM, os.R_OK):
        return False  # there is none, or it is root's and we are not
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
