"""Kernel settings that a node changes for the whole machine, kept so as to be put back."""

from collections.abc import Mapping
from pathlib import Path

_ROOT = Path("/proc/sys")
_CHANGED = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def save(root: Path = _ROOT) -> dict[str, str]:
    """Return the settings that a kubelet, kube-proxy or CNI plugin may change."""
    return {name: (root / name).read_text().strip() for name in _CHANGED if (root / name).exists()}


def restore(saved: Mapping[str, str], root: Path = _ROOT) -> None:
    """Put saved settings back where they differ."""
    for name, value in saved.items():
        if (root / name).read_text().strip() != value:
            (root / name).write_text(value)
