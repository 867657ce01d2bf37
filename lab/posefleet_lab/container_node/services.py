"""How pods reach Services: kube-proxy, CoreDNS, and Services whose server is a program of this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..component import Component
from ..control_plane import ControlPlane
from .network import PodNetwork

DNS_ADDRESS = "10.96.0.10"
_DNS_USER = "system:coredns"
_COREFILE = """\
.:53 {{
    bind {address}
    ready 127.0.0.1:{ready_port}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig} lab
        pods insecure
    }}
    cache 5
}}
"""


@dataclass(frozen=True)
class Port:
    """A port of a Service and the port ``target`` on which its server listens."""

    name: str
    port: int
    target: int
    protocol: str = "TCP"


def service_with_endpoints(
    namespace: str, name: str, address: str, ports: Sequence[Port], *, cluster_ip: str | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """Return a Service for a server at ``address`` and its EndpointSlice, each with its API path."""
    spec: dict[str, Any] = {
        "ports": [{"name": port.name, "port": port.port, "protocol": port.protocol} for port in ports]
    }
    if cluster_ip:
        spec["clusterIP"] = cluster_ip
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-lab",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": port.name, "port": port.target, "protocol": port.protocol} for port in ports],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }
    return [
        (f"/api/v1/namespaces/{namespace}/services/{name}", service),
        (f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices/{name}-lab", piece),
    ]


def dns(binary: Path, directory: Path) -> Component:
    """Return the CoreDNS program."""
    return Component("dns", [str(binary), "dns", "-conf", str(directory / "Corefile")], directory)


def write_dns_configuration(directory: Path, control_plane: ControlPlane, address: str, ready_port: int) -> None:
    """Write CoreDNS's Corefile, with the ``address`` on which it listens, and its kubeconfig."""
    user = control_plane.client_kubeconfig(_DNS_USER, [], directory / "pki" / "dns.kubeconfig")
    (directory / "Corefile").write_text(_COREFILE.format(address=address, ready_port=ready_port, kubeconfig=user))


def dns_objects(address: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the objects that CoreDNS needs, each with its API path: its RBAC and the Service ``kube-dns``."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    api = "rbac.authorization.k8s.io"
    metadata = {"name": _DNS_USER}
    rules = [
        {"apiGroups": [""], "resources": ["namespaces", "pods", "services"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    role = {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": _DNS_USER},
        "subjects": [{"apiGroup": api, "kind": "User", "name": _DNS_USER}],
    }
    ports = [Port("dns", 53, 53, "UDP"), Port("dns-tcp", 53, 53)]
    return [
        (f"{rbac}/clusterroles/{_DNS_USER}", role),
        (f"{rbac}/clusterrolebindings/{_DNS_USER}", binding),
        *service_with_endpoints("kube-system", "kube-dns", address, ports, cluster_ip=DNS_ADDRESS),
    ]


def service_proxy(binary: Path, directory: Path, name: str) -> Component:
    """Return the kube-proxy program of the node ``name``."""
    options = [f"--config={directory / 'proxy.yaml'}", f"--hostname-override={name}"]
    return Component("proxy", [str(binary), "proxy", *options], directory)


def write_proxy_configuration(
    directory: Path, control_plane: ControlPlane, network: PodNetwork, ports: tuple[int, int]
) -> None:
    """Write kube-proxy's configuration and kubeconfig; ``ports`` are those of its health check and its metrics."""
    user = directory / "pki" / "proxy.kubeconfig"
    control_plane.client_kubeconfig("system:kube-proxy", [], user)
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(user)},
        "mode": "iptables",
        "clusterCIDR": str(network.subnet),
        "nodePortAddresses": [str(network.subnet)],
        "healthzBindAddress": f"127.0.0.1:{ports[0]}",
        "metricsBindAddress": f"127.0.0.1:{ports[1]}",
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "iptables": {"localhostNodePorts": False, "minSyncPeriod": "0s"},
    }
    (directory / "proxy.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))
