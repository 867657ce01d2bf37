"""The control groups that the kubelet makes for pods."""

import os
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PODS = "kubepods"


def remove_pod_groups(root: Path = _ROOT) -> None:
    """Remove the groups of pods, which are empty once their processes have ended; version 1 and 2."""
    for top in [root / _PODS, *root.glob(f"*/{_PODS}")]:
        for directory, _, _ in os.walk(top, topdown=False):
            try:
                Path(directory).rmdir()
            except OSError:  # a process is still on its way out, or the file system is version 1's files only
                continue
