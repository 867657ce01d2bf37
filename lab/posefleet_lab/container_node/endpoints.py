"""Services whose server is a program of this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Port:
    """A Service's port and the one on which the program listens."""

    name: str
    port: int
    target: int
    protocol: str = "TCP"


def service_with_endpoints(
    namespace: str, name: str, address: str, ports: Sequence[Port], *, cluster_ip: str | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """Return a Service without a selector and its EndpointSlice, each with its path in the API."""
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
