"""The container node: its programs, the order in which they start, and its end."""

from pathlib import Path

from ..component import Component
from ..control_plane import SERVICE_NETWORK, ControlPlane
from ..errors import LabError
from ..images import pause_image
from ..ports import free_port
from ..tools.build_once import Report, quiet
from . import containerd, kubelet, services
from .footprint import Footprint, claim
from .network import PodNetwork
from .services import Port, service_with_endpoints

_NOT_READY = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
_NODE_SECONDS = 120.0
_LONGEST_SOCKET_PATH = 107


class ContainerNode:
    """A real kubelet with containerd, kube-proxy and CoreDNS on this machine, which must run as root.

    All servers listen on the bridge of ``network`` or on loopback. The CNI plugin supports neither NetworkPolicies,
    which are accepted and not enforced, nor host ports. ``gpus`` is the number of ``nvidia.com/gpu`` that the node
    pretends to have. Call ``prepare`` before the control plane starts, because the API server also listens on the
    bridge. ``remove_footprint`` removes the bridge and everything else that the node creates.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        directory: Path,
        network: PodNetwork,
        *,
        binary: Path,
        name: str = "lab-node",
        gpus: int = 0,
        report: Report = quiet,
    ) -> None:
        self.name = name
        self.directory = directory
        self.network = network
        self._control_plane, self._gpus, self._report = control_plane, gpus, report
        self._ports = {server: (free_port(), free_port()) for server in ("kubelet", "proxy", "dns")}
        self._containerd = containerd.containerd(directory)
        self._kubelet = kubelet.kubelet(binary, directory, name, network.gateway)
        self._proxy = services.service_proxy(binary, directory, name)
        self._dns = services.dns(binary, directory)

    @property
    def components(self) -> list[Component]:
        """Return the programs, in the order of their start."""
        return [self._containerd, self._dns, self._proxy, self._kubelet]

    def prepare(self, cluster: str, cluster_directory: Path) -> None:
        """Reserve the machine for this node and create its bridge. Raises StateError if the machine is in use."""
        self._check_socket_paths()
        footprint = Footprint(
            cluster=cluster,
            cluster_directory=str(cluster_directory),
            directory=str(self.directory),
            bridge=self.network.bridge,
            subnet=str(self.network.subnet),
            pid_files=[str(component.pid_file) for component in self.components],
        )
        claim(footprint)
        self.network.create(SERVICE_NETWORK)

    def start(self) -> None:
        """Start all programs and return when pods can be scheduled to the node."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write_configurations()
        self._containerd.start()
        self._containerd.wait_until(containerd.answers, "ready")
        self.load_archive(pause_image(self._report).file)
        for component in (self._dns, self._proxy, self._kubelet):
            component.start()
        self._apply_dns()
        self._dns.wait_for_answer(f"http://127.0.0.1:{self._ports['dns'][0]}/ready")
        self._proxy.wait_for_answer(f"http://127.0.0.1:{self._ports['proxy'][0]}/livez")
        self._kubelet.wait_until(self._is_registered, "registered", _NODE_SECONDS)
        self._describe()
        self._kubelet.wait_until(self._is_ready, "ready", _NODE_SECONDS)

    def stop(self) -> None:
        """Stop the programs. Containers, mounts and network stay until ``remove_footprint``."""
        for component in reversed(self.components):
            component.stop()

    def restart(self, *, crash: bool = False) -> None:
        """Stop the kubelet, with SIGKILL if ``crash``, and start it again. Containers keep running."""
        self._kubelet.kill() if crash else self._kubelet.stop()
        self._kubelet.start()
        self._kubelet.wait_until(self._is_ready, "ready", _NODE_SECONDS)

    def pids(self, namespace: str, pod: str, container: str | None = None) -> list[int]:
        """Return the pids of a pod's containers on this machine, the main process of each container first."""
        return containerd.pids(namespace, pod, container)

    def load_archive(self, archive: Path) -> None:
        """Import an OCI archive, so that pods can use its image."""
        containerd.import_image(archive)

    def load_image(self, name: str) -> None:
        """Import an image of buildah's store, so that pods can use it."""
        containerd.load_image(name)

    def publish(self, namespace: str, name: str, port: int, target: int) -> None:
        """Make a server that listens on port ``target`` of the bridge reachable as ``<name>.<namespace>:<port>``."""
        metadata = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        self._control_plane.apply(f"/api/v1/namespaces/{namespace}", metadata)
        for path, manifest in service_with_endpoints(namespace, name, self.network.gateway, [Port(name, port, target)]):
            self._control_plane.apply(path, manifest)

    def _check_socket_paths(self) -> None:
        longest = self.directory / "state" / "kubelet" / "pod-resources" / "kubelet.sock"
        if len(str(longest)) > _LONGEST_SOCKET_PATH:
            raise LabError(
                f"{self.directory} is too long a path for the kubelet's sockets; choose a shorter --directory"
            )

    def _write_configurations(self) -> None:
        directory, plane, address = self.directory, self._control_plane, self.network.gateway
        (directory / "pki").mkdir(exist_ok=True, mode=0o700)
        containerd.write_configuration(directory, self.network)
        kubelet.write_configuration(directory, plane, self.name, address, self._ports["kubelet"])
        services.write_proxy_configuration(directory, plane, self.network, self._ports["proxy"])
        services.write_dns_configuration(directory, plane, address, self._ports["dns"][0])

    def _apply_dns(self) -> None:
        self._dns.wait_until(lambda: self._control_plane.get("/api/v1/namespaces/kube-system") is not None, "allowed")
        for path, manifest in services.dns_objects(self.network.gateway):
            self._control_plane.apply(path, manifest)

    def _describe(self) -> None:
        """Label the node as a worker and set its number of pretended GPUs."""
        path = f"/api/v1/nodes/{self.name}"
        self._control_plane.merge(path, {"metadata": {"labels": {"node-role.kubernetes.io/worker": ""}}})
        if self._gpus:
            self._control_plane.merge(f"{path}/status", {"status": {"capacity": {"nvidia.com/gpu": str(self._gpus)}}})

    def _is_registered(self) -> bool:
        return self._control_plane.get(f"/api/v1/nodes/{self.name}") is not None

    def _is_ready(self) -> bool:
        node = self._control_plane.get(f"/api/v1/nodes/{self.name}")
        if node is None or _NOT_READY & {taint["key"] for taint in node["spec"].get("taints") or []}:
            return False
        conditions = {condition["type"]: condition["status"] for condition in node["status"].get("conditions") or []}
        gpus = node["status"].get("allocatable", {}).get("nvidia.com/gpu", "0")
        return conditions.get("Ready") == "True" and int(gpus) == self._gpus
