"""The kubelet. It serves with a certificate of the cluster's authority and lets the API server authorize requests."""

from pathlib import Path
from typing import Any

import yaml

from ..component import Component
from ..control_plane import ControlPlane
from .containerd import containerd_socket
from .services import DNS_ADDRESS


def kubelet(binary: Path, directory: Path, name: str, address: str) -> Component:
    """Return the program of the node ``name`` at ``address``."""
    command = [
        str(binary),
        "kubelet",
        f"--config={directory / 'kubelet.yaml'}",
        f"--kubeconfig={directory / 'pki' / 'kubelet.kubeconfig'}",
        f"--cert-dir={directory / 'pki'}",
        f"--root-dir={directory / 'state' / 'kubelet'}",
        f"--hostname-override={name}",
        f"--node-ip={address}",
    ]
    return Component("kubelet", command, directory)


def write_configuration(
    directory: Path, control_plane: ControlPlane, name: str, address: str, ports: tuple[int, int]
) -> None:
    """Write the kubelet's configuration and credentials; ``ports`` are those of its API and of its health check."""
    pki = directory / "pki"
    user = f"system:node:{name}"
    control_plane.authority.issue(user, ["system:nodes"], hosts=[address, name]).write(pki, "kubelet-serving")
    control_plane.client_kubeconfig(user, ["system:nodes"], pki / "kubelet.kubeconfig")
    (pki / "ca.crt").write_bytes(control_plane.authority.certificate)
    configuration = _configuration(directory, address, ports)
    (directory / "kubelet.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))


def _configuration(directory: Path, address: str, ports: tuple[int, int]) -> dict[str, Any]:
    pki = directory / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "port": ports[0],
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": ports[1],
        "tlsCertFile": str(pki / "kubelet-serving.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-serving.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{containerd_socket()}",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "podLogsDir": str(directory / "state" / "pod-logs"),
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,  # a removed image could not be pulled again
    }
