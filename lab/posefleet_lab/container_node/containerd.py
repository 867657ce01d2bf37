"""containerd: its configuration, its images, its containers."""

import json
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

from ..component import Component
from ..images import PAUSE_IMAGE, export_image
from ..processes import ProcessIdentity, descendants, parents, stop_processes
from ..system_programs import run, succeeds
from .network import PodNetwork

RUN_DIRECTORY = Path("/run/posefleet-lab")
_NAMESPACE = "k8s.io"  # the namespace in which the kubelet keeps images and containers
_IMPORT_SECONDS = 300.0
_CONFIGURATION = """\
version = 2
root = "{state}/containerd"
state = "{run}/state"
[grpc]
  address = "{run}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE runc may not lower a process's oom_score_adj.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{run}/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{directory}/cni"
"""
_SHIM = b"containerd-shim-runc-v2"


def containerd_socket() -> Path:
    """Return the socket of the node's containerd, whose path is short because the length of socket paths is limited."""
    return RUN_DIRECTORY / "containerd" / "containerd.sock"


def containerd(directory: Path) -> Component:
    """Return the program, with its configuration and log in ``directory``."""
    return Component("containerd", ["containerd", "--config", str(directory / "containerd.toml")], directory)


def write_configuration(directory: Path, network: PodNetwork) -> None:
    """Write the configuration of containerd and of the CNI plugins."""
    run_directory = containerd_socket().parent
    run_directory.mkdir(parents=True, exist_ok=True)
    text = _CONFIGURATION.format(state=directory / "state", run=run_directory, directory=directory, pause=PAUSE_IMAGE)
    (directory / "containerd.toml").write_text(text)
    (directory / "cni").mkdir(exist_ok=True)
    plugins = network.cni_configuration(directory / "state" / "addresses")
    (directory / "cni" / "10-lab.conflist").write_text(json.dumps(plugins, indent=2))


def answers() -> bool:
    """Return whether containerd answers requests."""
    return containerd_socket().exists() and succeeds(*_ctr("version"), timeout_seconds=5)


def import_image(archive: Path) -> None:
    """Import an OCI archive into containerd. Raises LabError."""
    run(*_ctr("images", "import", str(archive)), timeout_seconds=_IMPORT_SECONDS)


def load_image(name: str) -> None:
    """Import an image of buildah's store into containerd. Raises LabError."""
    with TemporaryDirectory(prefix="posefleet-image-") as scratch:
        archive = Path(scratch) / "image.tar"
        export_image(name, archive)
        import_image(archive)


def pids(namespace: str, pod: str, container: str | None = None) -> list[int]:
    """Return the pids of a pod's containers on this machine, the main process of each container first."""
    labels = {"pod.namespace": namespace, "pod.name": pod, **({"container.name": container} if container else {})}
    wanted = ",".join(f'labels."io.kubernetes.{key}"=={value}' for key, value in labels.items())
    found: list[int] = []
    for identity in run(*_ctr("containers", "list", "--quiet", wanted)).split():
        if container or not _is_sandbox(identity):
            found += _processes(identity)
    return found


def _is_sandbox(identity: str) -> bool:
    return '"io.cri-containerd.kind": "sandbox"' in run(*_ctr("containers", "info", identity))


def _processes(identity: str) -> list[int]:
    if not succeeds(*_ctr("tasks", "ps", identity)):
        return []  # the container has ended
    lines = run(*_ctr("tasks", "ps", identity)).splitlines()[1:]
    return [int(line.split()[0]) for line in lines]


def _ctr(*arguments: str) -> list[str]:
    return ["ctr", "--address", str(containerd_socket()), "--namespace", _NAMESPACE, *arguments]


def kill_containers(socket: Path) -> None:
    """End every container of the containerd at ``socket`` with SIGKILL, and then the shims that run them."""
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
