"""The containers that containerd leaves running when it ends."""

import signal
from pathlib import Path

from ..component import ProcessIdentity, stop_processes
from ..node.launcher.descendants import descendants, parents

_SHIM = b"containerd-shim-runc-v2"


def kill_containers(socket: Path) -> None:
    """End every container of the containerd at ``socket`` with SIGKILL, then what held it."""
    shims = [pid for pid in parents() if _serves(pid, socket)]
    held = [ProcessIdentity.of(pid) for shim in shims for pid in descendants(shim)]
    for identity in held:
        identity.signal(signal.SIGKILL)
    stop_processes([ProcessIdentity.of(shim) for shim in shims], grace_seconds=2.0)


def _serves(pid: int, socket: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return arguments[0].endswith(_SHIM) and str(socket).encode() in arguments
