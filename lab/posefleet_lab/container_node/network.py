"""The bridge that the pods of a node are attached to, with the node's own address on it."""

import json
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from ..errors import StateError
from . import iptables
from .commands import run, succeeds

BRIDGE = "posefleet0"
_FIRST_SUBNET = IPv4Network("10.244.0.0/24")
_CANDIDATES = 255
_BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")


@dataclass(frozen=True)
class PodNetwork:
    """A bridge and its subnet. All of a node's servers listen on the ``gateway``, and nothing beyond this machine
    can reach it; nor can pods reach what is beyond this machine, for nothing is masqueraded."""

    bridge: str
    subnet: IPv4Network

    @property
    def gateway(self) -> str:
        """Return the address of this machine on the bridge."""
        return str(next(self.subnet.hosts()))

    def create(self, service_network: str) -> None:
        """Make the bridge with its address, and the way to Services through it."""
        if succeeds("ip", "link", "show", self.bridge):
            raise StateError(
                f"there is a network interface {self.bridge} already, and not of a lab that runs; "
                f"remove it with `ip link delete {self.bridge}`"
            )
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "address", "add", f"{self.gateway}/{self.subnet.prefixlen}", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        run("ip", "route", "add", service_network, "dev", self.bridge)
        iptables.accept(self.bridge)
        if not _BRIDGE_FILTER.exists():
            run("modprobe", "br_netfilter")
        _BRIDGE_FILTER.write_text("1")  # else answers of pods on the same bridge bypass kube-proxy's rules

    def remove(self) -> None:
        """Remove the bridge and all rules; does nothing where there are none."""
        iptables.remove_all(self.bridge)
        if succeeds("ip", "link", "show", self.bridge):
            run("ip", "link", "delete", self.bridge)

    def cni_configuration(self, state: Path) -> dict[str, Any]:
        """Return the configuration for CNI's plugins, which keep their addresses in ``state``."""
        addresses = {
            "type": "host-local",
            "dataDir": str(state),
            "ranges": [[{"subnet": str(self.subnet), "gateway": self.gateway}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {"type": "bridge", "bridge": self.bridge, "isGateway": True, "hairpinMode": True, "ipam": addresses}
        return {"cniVersion": "0.4.0", "name": self.bridge, "plugins": [bridge]}


def free_network(bridge: str = BRIDGE) -> PodNetwork:
    """Return a network whose subnet this machine does not use. Raises StateError if all are taken."""
    used = _routed()
    first = int(_FIRST_SUBNET.network_address)
    for number in range(_CANDIDATES):
        subnet = IPv4Network((first + number * _FIRST_SUBNET.num_addresses, _FIRST_SUBNET.prefixlen))
        if not any(subnet.overlaps(other) for other in used):
            return PodNetwork(bridge, subnet)
    raise StateError("all of 10.244.0.0/16 is in use on this machine")


def _routed() -> list[IPv4Network]:
    if not succeeds("ip", "-j", "-4", "route", "show"):
        return []
    routes = json.loads(run("ip", "-j", "-4", "route", "show"))
    return [IPv4Network(route["dst"]) for route in routes if route["dst"] != "default"]
