"""What a part of the lab needs of this machine: told all at once, before anything starts."""

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError


@dataclass(frozen=True)
class Requirements:
    """``purpose`` needs Linux, root and the programs, each by name or path with its Debian package."""

    purpose: str
    programs: Mapping[str, str]

    def __or__(self, other: "Requirements") -> "Requirements":
        """Return what both need together."""
        return Requirements(f"{self.purpose} and {other.purpose}", {**self.programs, **other.programs})

    def missing(self) -> list[str]:
        """Return a sentence for each thing that is missing, the packages in one."""
        found: list[str] = []
        if platform.system() != "Linux":
            found.append(f"Linux is needed; this is {platform.system()}")
        if os.geteuid() != 0:
            found.append("root is needed; run it with sudo")
        absent = {program: package for program, package in self.programs.items() if not _is_there(program)}
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
    "monitoring", {"prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}
)


def require(*needs: Requirements) -> None:
    """Raise LabError with everything that is missing."""
    together = needs[0]
    for need in needs[1:]:
        together |= need
    if found := together.missing():
        raise LabError(explain(together.purpose, found))


def explain(purpose: str, missing: Sequence[str]) -> str:
    """Return the message that lists what is missing."""
    return "\n".join([f"{purpose} cannot be had here:", *(f"  {sentence}" for sentence in missing)])


def _is_there(program: str) -> bool:
    return Path(program).exists() if "/" in program else shutil.which(program) is not None
