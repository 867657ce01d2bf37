"""kube-proxy: Services by the machine's packet filter."""

from pathlib import Path

import yaml

from ..component import Component
from ..control_plane import ControlPlane
from .network import PodNetwork


def service_proxy(binary: Path, directory: Path, name: str) -> Component:
    """Return the program of the node ``name``."""
    options = [f"--config={directory / 'proxy.yaml'}", f"--hostname-override={name}"]
    return Component("proxy", [str(binary), "proxy", *options], directory)


def write_configuration(
    directory: Path, control_plane: ControlPlane, network: PodNetwork, ports: tuple[int, int]
) -> None:
    """Write kube-proxy's configuration and kubeconfig; ``ports`` are its health check's and its metrics'."""
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
