"""The bridge that the node's pods are attached to, and the node's packet filter rules."""

import json
import shlex
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from ..errors import StateError
from ..system_programs import is_installed, run, succeeds

BRIDGE = "posefleet0"
_FIRST_SUBNET = IPv4Network("10.244.0.0/24")
_CANDIDATES = 255
_BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_PROGRAMS = ("iptables", "ip6tables")
_TABLES = ("filter", "nat", "mangle")
_PROXY_PREFIX = "KUBE-"


@dataclass(frozen=True)
class PodNetwork:
    """A bridge with a subnet for pods. All servers of the node listen on its address on this machine, ``gateway``.

    Other machines cannot reach the subnet, and pods cannot reach other machines, because nothing is masqueraded.
    """

    bridge: str
    subnet: IPv4Network

    @property
    def gateway(self) -> str:
        """Return the address of this machine on the bridge."""
        return str(next(self.subnet.hosts()))

    def create(self, service_network: str) -> None:
        """Create the bridge with its address and the route to Services. Raises StateError if the bridge exists."""
        if succeeds("ip", "link", "show", self.bridge):
            raise StateError(
                f"the network interface {self.bridge} exists already and belongs to no running lab; "
                f"remove it with `ip link delete {self.bridge}`"
            )
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "address", "add", f"{self.gateway}/{self.subnet.prefixlen}", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        run("ip", "route", "add", service_network, "dev", self.bridge)
        _accept_traffic(self.bridge)
        if not _BRIDGE_FILTER.exists():
            run("modprobe", "br_netfilter")
        _BRIDGE_FILTER.write_text("1")  # otherwise replies between pods on the bridge bypass kube-proxy's rules

    def remove(self) -> None:
        """Remove the bridge and all packet filter rules that exist."""
        remove_packet_filter_rules(self.bridge)
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


def _accept_traffic(bridge: str) -> None:
    """Let pods reach each other and this machine, whatever the default policies of FORWARD and INPUT are."""
    for chain, direction in (("INPUT", "-i"), ("FORWARD", "-i"), ("FORWARD", "-o")):
        run("iptables", "-w", "-I", chain, direction, bridge, "-j", "ACCEPT")


def has_proxy_rules() -> bool:
    """Return whether a kube-proxy has rules on this machine."""
    return any(rule.startswith("-N KUBE-SERVICES") for rule in _rules("iptables", "nat"))


def remove_packet_filter_rules(bridge: str) -> None:
    """Remove the node's own rules and those of kube-proxy and of the kubelet."""
    for program in _PROGRAMS:
        for table in _TABLES:
            _remove_from(program, table, bridge)


def _remove_from(program: str, table: str, bridge: str) -> None:
    rules = _rules(program, table)
    chains = [rule.split()[1] for rule in rules if rule.startswith(f"-N {_PROXY_PREFIX}")]
    for rule in rules:
        words = shlex.split(rule)
        if words[0] == "-A" and words[1] not in chains and _is_ours(words, bridge):
            run(program, "-w", "-t", table, "-D", *words[1:])
    for option in ("-F", "-X"):  # chains must be empty before they are deleted
        for chain in chains:
            run(program, "-w", "-t", table, option, chain)


def _is_ours(words: list[str], bridge: str) -> bool:
    target = words[words.index("-j") + 1] if "-j" in words else ""
    return target.startswith(_PROXY_PREFIX) or (target == "ACCEPT" and bridge in words)


def _rules(program: str, table: str) -> list[str]:
    """Return the rules of a table, which are none if the kernel does not have the table."""
    listing = (program, "-w", "-t", table, "-S")
    return run(*listing).splitlines() if is_installed(program) and succeeds(*listing) else []
