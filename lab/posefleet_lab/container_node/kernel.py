"""Changes that a node makes to the running kernel, and how they are undone: mounts, cgroups of pods, sysctls."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ..errors import LabError
from ..system_programs import succeeds

_ROUNDS = 5
_CGROUPS = Path("/sys/fs/cgroup")
_PODS = "kubepods"
_SYSCTLS = Path("/proc/sys")
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


def mounted_below(directory: Path) -> list[str]:
    """Return the mount points at or below a directory, the most recent first."""
    prefix = str(directory.resolve())
    points = [_unescape(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in reversed(points) if point == prefix or point.startswith(f"{prefix}/")]


def unmount_below(directory: Path) -> None:
    """Unmount everything at or below a directory. Raises LabError if something cannot be unmounted."""
    for attempt in range(_ROUNDS):
        for point in mounted_below(directory):
            succeeds("umount", *(["--lazy"] if attempt else []), point)
    if left := mounted_below(directory):
        raise LabError(f"cannot unmount {', '.join(left)}; find the processes that use it with `fuser -vm PATH`")


def remove_tree(directory: Path) -> None:
    """Delete a directory. Raises LabError, and deletes nothing, if anything is mounted at or below it."""
    if not directory.exists():
        return
    if left := mounted_below(directory):
        raise LabError(f"{directory} is not deleted, because it contains the mounts {', '.join(left)}")
    shutil.rmtree(directory, ignore_errors=True)


def _unescape(path: str) -> str:
    return path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")


def remove_pod_groups(root: Path = _CGROUPS) -> None:
    """Remove the cgroups of pods, of version 1 or 2, whose processes have ended."""
    for top in [root / _PODS, *root.glob(f"*/{_PODS}")]:
        for directory, _, _ in os.walk(top, topdown=False):
            try:
                Path(directory).rmdir()
            except OSError:  # a process has not quite ended, or the directory is not a cgroup
                continue


def saved_sysctls(root: Path = _SYSCTLS) -> dict[str, str]:
    """Return the current values of the settings that kubelet, kube-proxy or CNI plugins may change."""
    return {name: (root / name).read_text().strip() for name in _CHANGED if (root / name).exists()}


def restore_sysctls(saved: Mapping[str, str], root: Path = _SYSCTLS) -> None:
    """Restore the saved values of settings that have changed."""
    for name, value in saved.items():
        if (root / name).read_text().strip() != value:
            (root / name).write_text(value)
