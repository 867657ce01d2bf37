"""What a part of the lab needs of this machine: told all at once, before anything starts."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import LabError
from .system_path import is_there


@dataclass(frozen=True)
class Requirements:
    """``purpose`` needs Linux, the programs, each by name or path with its Debian package, and mostly root."""

    purpose: str
    programs: Mapping[str, str] = field(hash=False)
    root: bool = True

    def missing(self) -> list[str]:
        """Return a sentence for each thing that is missing, the packages in one."""
        found: list[str] = []
        if platform.system() != "Linux":
            found.append(f"Linux is needed; this is {platform.system()}")
        if self.root and os.geteuid() != 0:
            found.append("root is needed; run it with sudo")
        absent = {program: package for program, package in self.programs.items() if not is_there(program)}
        if absent:
            packages = " ".join(sorted(set(absent.values())))
            found.append(f"{', '.join(absent)} missing: apt-get install {packages}")
        return found


IMAGE_TOOLS = Requirements("making images", {"buildah": "buildah", "debootstrap": "debootstrap"})
CONTAINER_NODE = Requirements(
    "the container node",
    {
        "containerd": "containerd",
        "containerd-shim-runc-v2": "containerd",
        "ctr": "containerd",
        "runc": "runc",
        "/usr/lib/cni/bridge": "containernetworking-plugins",
        "iptables": "iptables",
        "iptables-save": "iptables",
        "ip": "iproute2",
        "conntrack": "conntrack",
        "buildah": "buildah",
    },
)
MONITORING = Requirements(
    "monitoring", {"prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}, root=False
)


def require(*needs: Requirements) -> None:
    """Raise LabError with everything that is missing."""
    if needs and (missing := explain(*needs)):
        raise LabError(missing)


def explain(*needs: Requirements) -> str:
    """Return a message that lists everything that is missing, nothing if all is there."""
    purposes = " and ".join(need.purpose for need in needs)
    programs = {name: package for need in needs for name, package in need.programs.items()}
    found = Requirements(purposes, programs, any(need.root for need in needs)).missing()
    return "\n".join([f"{purposes} cannot be had here:", *(f"  {sentence}" for sentence in found)]) if found else ""
