"""CoreDNS, which listens on the bridge, and the Service by which pods know it."""

from pathlib import Path
from typing import Any

from ..component import Component
from ..control_plane import ControlPlane
from .endpoints import Port, service_with_endpoints

SERVICE_ADDRESS = "10.96.0.10"
_USER = "system:coredns"
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


def dns(binary: Path, directory: Path) -> Component:
    """Return the program."""
    return Component("dns", [str(binary), "dns", "-conf", str(directory / "Corefile")], directory)


def write_configuration(directory: Path, control_plane: ControlPlane, address: str, ready_port: int) -> None:
    """Write the Corefile and the kubeconfig."""
    user = control_plane.client_kubeconfig(_USER, [], directory / "pki" / "dns.kubeconfig")
    (directory / "Corefile").write_text(_COREFILE.format(address=address, ready_port=ready_port, kubeconfig=user))


def objects(address: str) -> list[tuple[str, dict[str, Any]]]:
    """Return what the API server must hold: CoreDNS's rights and its Service, each with its path."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    api = "rbac.authorization.k8s.io"
    metadata = {"name": _USER}
    rules = [
        {"apiGroups": [""], "resources": ["namespaces", "pods", "services"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    role = {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": _USER},
        "subjects": [{"apiGroup": api, "kind": "User", "name": _USER}],
    }
    ports = [Port("dns", 53, 53, "UDP"), Port("dns-tcp", 53, 53)]
    return [
        (f"{rbac}/clusterroles/{_USER}", role),
        (f"{rbac}/clusterrolebindings/{_USER}", binding),
        *service_with_endpoints("kube-system", "kube-dns", address, ports, cluster_ip=SERVICE_ADDRESS),
    ]
