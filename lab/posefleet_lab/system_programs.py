"""The system's own programs: where they are, how they are run, and which Debian packages contain them.

``python -m posefleet_lab.system_programs`` prints the packages that end-to-end tests need and this machine lacks, one a
line.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import LabError

_SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")
_SECONDS = 120.0


def system_path(environ: Mapping[str, str] = os.environ) -> str:
    """Return PATH with the system's directories appended; some users do not have ``sbin`` on theirs."""
    own = environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys(directory for directory in (*own, *_SYSTEM) if directory))


def is_installed(program: str) -> bool:
    """Return whether a program, given by name or path, is installed."""
    return Path(program).exists() if "/" in program else shutil.which(program, path=system_path()) is not None


@dataclass(frozen=True)
class Requirements:
    """What one part of the lab needs of this machine: Linux, some programs and, unless ``root`` is False, root.

    ``programs`` maps each program, by name or absolute path, to the Debian package that contains it.
    """

    purpose: str
    programs: Mapping[str, str] = field(hash=False)
    root: bool = True

    def missing(self) -> list[str]:
        """Return one sentence for each thing that this machine lacks; missing programs share a sentence."""
        found: list[str] = []
        if platform.system() != "Linux":
            found.append(f"Linux is needed, and this is {platform.system()}")
        if self.root and os.geteuid() != 0:
            found.append("root is needed: run it with sudo")
        absent = [program for program in self.programs if not is_installed(program)]
        if absent:
            install = f"apt-get install --no-install-recommends {' '.join(missing_packages(self))}"
            found.append(f"missing programs: {', '.join(absent)}; install them with `{install}`")
        return found


IMAGE_TOOLS = Requirements("image builds", {"buildah": "buildah", "debootstrap": "debootstrap"})
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
    """Raise LabError with everything that is missing, if anything is."""
    if needs and (missing := explain(*needs)):
        raise LabError(missing)


def explain(*needs: Requirements) -> str:
    """Return a message that lists everything that this machine lacks, or an empty string if it lacks nothing."""
    purposes = " and ".join(need.purpose for need in needs)
    programs = {name: package for need in needs for name, package in need.programs.items()}
    found = Requirements(purposes, programs, any(need.root for need in needs)).missing()
    if not found:
        return ""
    return "\n".join([f"this machine cannot run {purposes}:", *(f"  {sentence}" for sentence in found)])


def missing_packages(*needs: Requirements) -> list[str]:
    """Return the Debian packages of the programs that this machine lacks, sorted by name."""
    programs = {name: package for need in needs for name, package in need.programs.items()}
    return sorted({package for program, package in programs.items() if not is_installed(program)})


def run(*argv: str, timeout_seconds: float = _SECONDS) -> str:
    """Run a program and return its standard output.

    Raises:
        LabError: the program fails, with its error output, or does not end in time.
    """
    environment = {**os.environ, "PATH": system_path()}
    try:
        result = subprocess.run(
            argv, env=environment, capture_output=True, text=True, check=False, timeout=timeout_seconds
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(argv)}` did not end within {timeout_seconds:.0f} s") from None
    if result.returncode:
        raise LabError(f"`{' '.join(argv)}` failed: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def succeeds(*argv: str, timeout_seconds: float = _SECONDS) -> bool:
    """Return whether a program ends with exit code 0 in time."""
    try:
        run(*argv, timeout_seconds=timeout_seconds)
    except LabError:
        return False
    return True


if __name__ == "__main__":
    sys.stdout.write("".join(f"{package}\n" for package in missing_packages(CONTAINER_NODE, IMAGE_TOOLS, MONITORING)))
