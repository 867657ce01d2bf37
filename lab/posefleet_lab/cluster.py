"""A cluster: control plane, nodes, object store and monitoring, with all files in one directory."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from .component import Component
from .container_node import ContainerNode, free_network, remove_footprint
from .control_plane import ControlPlane
from .control_plane.credentials import kubeconfig_with_token
from .errors import LabError, StateError
from .kueue import Kueue, KueueOptions
from .monitoring import Monitoring, MonitoringOptions
from .object_stores import ObjectStore, object_store
from .paths import write_private
from .process_node.node import ProcessNode
from .process_node.node_config import Image
from .system_programs import CONTAINER_NODE, MONITORING, require
from .teardown import ClusterState, remove_data, start_keeper
from .tools import binaries
from .tools.build_once import Report, quiet

_ACCOUNT_SECONDS = 10.0
_TOKEN_SECONDS = 24 * 3600
_STORE_PORT = 9000  # port of the store's Service

NodeKind = Literal["process", "container"]


class Cluster:
    """A Kubernetes cluster on this computer.

    Use it as a context manager: ``with Cluster(directory, images={"trainer:lab": Path(sys.prefix)}) as cluster``.

    Args:
        directory: holds all files of the cluster. It is created if it does not exist.
        name: the name that commands and messages use for the cluster.
        node: ``process`` for nodes whose containers are processes of this machine, or ``container`` for one real node
            (see ``ContainerNode``), which needs root. API server and store then listen on an address that pods can
            reach, and pods can also reach the store at ``http://<vendor>.<vendor>:9000``.
        nodes: number of process nodes.
        gpus: number of ``nvidia.com/gpu`` that each node pretends to have.
        cpus: number of CPUs that each process node offers; by default the number that this machine has.
        images: for process nodes, the virtual environment to use for each image name.
        store: vendor of the object store, or None for a cluster without one.
        monitoring: starts Prometheus and Alertmanager with these options.
        kueue: starts Kueue with these options.
        apiserver_options: added to the command line of the API server.
        isolate: gives containers of process nodes their own namespaces where this machine allows it.
        empty_dirs: for process nodes, a directory for the emptyDirs of pods, such as a small file system that can be
            filled. By default they are in the directory of the node.
        detached: lets the cluster outlive the process that starts it. Other clusters end with that process, even if
            it is killed.
        disposable: deletes the directory when the cluster ends.
        report: called with one line for each step.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str = "lab",
        node: NodeKind = "process",
        nodes: int = 1,
        gpus: int = 0,
        cpus: int | None = None,
        images: Mapping[str, Image | Path] | None = None,
        store: str | None = "minio",
        monitoring: MonitoringOptions | None = None,
        kueue: KueueOptions | None = None,
        apiserver_options: Sequence[str] = (),
        isolate: bool = True,
        empty_dirs: Path | None = None,
        detached: bool = False,
        disposable: bool = False,
        report: Report = quiet,
    ) -> None:
        self.directory = directory.resolve()
        self.name = name
        self.detached = detached
        self.disposable = disposable
        self.empty_dirs = empty_dirs
        self._report = report
        _check_not_running(self.directory)
        if node == "container":
            _check_container_options(nodes=nodes, cpus=cpus, images=images)
        _require_programs(node, monitoring)
        network = free_network() if node == "container" else None
        address = network.gateway if network else "127.0.0.1"
        binary = binaries.kubelab(report)
        plane = ControlPlane(self.directory / "control-plane", binary, address, apiserver_options)
        self.control_plane = plane
        self._kueue = Kueue(plane, self.directory / "kueue", kueue, report) if kueue else None
        self._store = object_store(store, self.directory / "store", report, address) if store else None
        self.nodes: list[ProcessNode | ContainerNode] = []
        if network:
            place = self.directory / "node"
            self.nodes.append(ContainerNode(plane, place, network, binary=binary, gpus=gpus, report=report))
        else:
            self.nodes += _process_nodes(
                plane, self.directory / "nodes", nodes,
                gpus=gpus, cpus=cpus, images=images, isolate=isolate, empty_dirs=empty_dirs,
            )  # fmt: skip
        monitored = self.directory / "monitoring"
        self._monitoring = Monitoring(monitored, self.kubeconfig, monitoring) if monitoring else None
        self._programs: list[Component] = []
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def kubeconfig(self) -> Path:
        """Return the path of the administrator's kubeconfig."""
        return self.control_plane.kubeconfig

    @property
    def store(self) -> ObjectStore:
        """Return the object store. Raises LabError if the cluster has none."""
        if self._store is None:
            raise LabError("this cluster has no object store; start it with store='minio'")
        return self._store

    @property
    def monitoring(self) -> Monitoring:
        """Return Prometheus and Alertmanager. Raises LabError if the cluster has none."""
        if self._monitoring is None:
            raise LabError("this cluster has no monitoring; start it with monitoring=MonitoringOptions()")
        return self._monitoring

    @property
    def kueue(self) -> Kueue:
        """Return Kueue. Raises LabError if the cluster has none."""
        if self._kueue is None:
            raise LabError("this cluster has no Kueue; start it with kueue=KueueOptions()")
        return self._kueue

    @property
    def node(self) -> ProcessNode | ContainerNode:
        """Return the first node."""
        return self.nodes[0]

    def process_node(self, name: str) -> ProcessNode:
        """Return a process node by its name. Raises LabError if there is none."""
        for node in self.nodes:
            if isinstance(node, ProcessNode) and node.name == name:
                return node
        raise LabError(f"this cluster has no process node {name!r}")

    @property
    def container_node(self) -> ContainerNode:
        """Return the container node. Raises LabError if the cluster has process nodes."""
        if not isinstance(self.node, ContainerNode):
            raise LabError("this cluster has process nodes; start it with node='container'")
        return self.node

    @property
    def components(self) -> list[Component]:
        """Return every running program, in the order of their start."""
        of_kueue = self._kueue.components if self._kueue else []
        of_store = self._store.components if self._store else []
        of_nodes = [component for node in self.nodes for component in node.components]
        of_monitoring = self._monitoring.components if self._monitoring else []
        return [*self.control_plane.components, *of_kueue, *of_store, *of_nodes, *of_monitoring, *self._programs]

    def start(self) -> None:
        """Start all parts in order. If one fails to start, stop the others and raise its error."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        remove_data(self.directory)
        try:
            if not self.detached:
                self._keeper = start_keeper(self.directory, disposable=self.disposable)
            self._start_parts()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all parts and delete their data. The logs stay in the directory unless the cluster is disposable."""
        for program in self._programs:
            program.stop()
        if self._monitoring is not None:
            self._monitoring.stop()
        for node in self.nodes:
            node.stop()
        if self._store is not None:
            self._store.stop()
        if self._kueue is not None:
            self._kueue.stop()
        self.control_plane.stop()
        remove_footprint(self.directory)
        ClusterState.delete(self.directory)
        if self._keeper is not None:
            self._keeper.communicate()
        remove_data(self.directory)
        if self.disposable:
            shutil.rmtree(self.directory, ignore_errors=True)

    def start_program(self, name: str, command: Sequence[str]) -> Component:
        """Start another program, such as an operator, that ends with the cluster, even if the cluster is killed."""
        scratch = self.directory / f"{name}-tmp"
        scratch.mkdir(exist_ok=True)
        program = Component(name, command, self.directory, {"TMPDIR": str(scratch), "PYTHONUNBUFFERED": "1"})
        self._programs.append(program)
        self._write_state()
        program.start()
        return program

    def restart(self, component: str, *, crash: bool = False) -> None:
        """Restart one part of the cluster on the same ports.

        Args:
            component: ``etcd``, ``apiserver``, ``controller-manager``, ``scheduler``, ``kueue``, ``store``
                or the name of a node.
            crash: stop it with SIGKILL instead of SIGTERM.
        """
        for node in self.nodes:
            if node.name == component:
                node.restart(crash=crash)
                break
        else:
            if component == "kueue":
                self.kueue.restart(crash=crash)
            elif component == "store":
                self.store.kill() if crash else self.store.stop()
                self.store.start()
            else:
                self.control_plane.restart(component, crash=crash)

    def pause(self, component: str) -> None:
        """Let one part of the cluster hang until ``resume``. Its connections stay open, and nobody serves them.

        Args:
            component: ``etcd``, ``apiserver``, ``controller-manager``, ``scheduler`` or ``store``.
        """
        self._pausable(component).pause()

    def resume(self, component: str) -> None:
        """Let a part that ``pause`` has paused go on."""
        self._pausable(component).resume()

    def _pausable(self, component: str) -> Component:
        if component == "store":
            return self.store.components[0]
        return self.control_plane.component(component)

    def service_account_kubeconfig(self, namespace: str, account: str, path: Path | None = None) -> Path:
        """Write a kubeconfig with a token of a service account, valid for a day, and return its path.

        Raises:
            LabError: the account does not exist after 10 seconds.
        """
        plane = self.control_plane
        base = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}"
        deadline = time.monotonic() + _ACCOUNT_SECONDS
        while plane.get(base) is None:
            if time.monotonic() > deadline:
                raise LabError(f"there is no service account {account} in namespace {namespace}; create it first")
            time.sleep(0.05)
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TOKEN_SECONDS},
        }
        token = plane.post(f"{base}/token", body)["status"]["token"]
        text = kubeconfig_with_token(plane.server, plane.authority.certificate, account, token, namespace)
        return write_private(path or self.directory / f"{namespace}-{account}.kubeconfig", text)

    def __enter__(self) -> "Cluster":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_parts(self) -> None:
        self._write_state()
        if isinstance(self.node, ContainerNode):
            self.node.prepare(self.name, self.directory)
        with self._step("control plane"):
            self.control_plane.start()
        if self._kueue is not None:
            with self._step("kueue"):
                self._kueue.start()
        if self._store is not None:
            with self._step(f"object store ({self._store.vendor})"):
                self._store.start()
        for node in self.nodes:
            with self._step(f"node {node.name}"):
                node.start()
        if self._store is not None and isinstance(self.node, ContainerNode):
            self.node.publish(self._store.vendor, self._store.vendor, _STORE_PORT, self._store.port)

        if self._monitoring is not None:
            with self._step("monitoring"):
                self._monitoring.start()

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self._report(f"{what}: {time.monotonic() - begun:.1f} s")

    def _write_state(self) -> None:
        state = ClusterState(
            name=self.name,
            kubeconfig=str(self.kubeconfig),
            pid_files={component.name: str(component.pid_file) for component in self.components},
            store=self._store.environment() if self._store else {},
            pages=self._pages(),
        )
        state.write(self.directory)

    def _pages(self) -> dict[str, str]:
        pages: dict[str, str] = {}
        if self._store is not None and self._store.console:
            pages["store console"] = self._store.console
        if self._monitoring is not None:
            pages |= {"prometheus": self._monitoring.url, "alertmanager": self._monitoring.alertmanager_url}
        return pages


def _process_nodes(plane: ControlPlane, directory: Path, count: int, **options: Any) -> list[ProcessNode]:
    """Return ``count`` process nodes, each with a directory of its own."""
    return [ProcessNode(plane, directory / name, name=name, **options) for name in _node_names(count)]


def _node_names(count: int) -> list[str]:
    return ["lab-node"] if count == 1 else [f"lab-node-{number}" for number in range(count)]


def _check_not_running(directory: Path) -> None:
    state = ClusterState.read(directory)
    if state is not None and any(state.running().values()):
        raise StateError(
            f"cluster {state.name!r} is already up in {directory}; stop it with "
            f"`posefleet-lab down --name {state.name}` or start another with --name"
        )


def _require_programs(node: NodeKind, monitoring: MonitoringOptions | None) -> None:
    """Check that the system has the programs that the parts of a cluster need."""
    needed = {CONTAINER_NODE: node == "container", MONITORING: monitoring is not None}
    require(*(need for need, is_needed in needed.items() if is_needed))


def _check_container_options(*, nodes: int, cpus: int | None, images: Mapping[str, Image | Path] | None) -> None:
    if nodes != 1 or cpus is not None or images:
        raise LabError(
            "a container node is one real machine: leave out the number of nodes and CPUs and the images' virtual "
            "environments; bring real images in with `posefleet-lab image load`"
        )
