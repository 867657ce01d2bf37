"""A process node as its cluster sees it: start, stop and restart the agent."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ..component import Component
from ..control_plane import ControlPlane
from ..paths import GO_MODULES
from ..ports import free_port
from ..processes import descendants
from .node_config import Image, NodeConfig

_NOT_READY = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}


class ProcessNode:
    """A node whose containers are processes of this machine.

    ``cpus`` and ``memory_bytes`` are what the node offers to the scheduler, by default what the machine has. ``gpus``
    is the number of ``nvidia.com/gpu`` that it pretends to have. ``empty_dirs`` is a directory for the emptyDirs of
    pods, such as a small file system that can be filled.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        directory: Path,
        *,
        name: str = "lab-node",
        gpus: int = 0,
        cpus: int | None = None,
        memory_bytes: int | None = None,
        images: Mapping[str, Image | Path] | None = None,
        labels: Mapping[str, str] | None = None,
        isolate: bool = True,
        empty_dirs: Path | None = None,
    ) -> None:
        self.name = name
        self.directory = directory
        self._control_plane = control_plane
        self._config = NodeConfig(
            name=name,
            kubeconfig=str(directory / "kubeconfig"),
            directory=directory,
            port=free_port(),
            serving_certificate=str(directory / "pki" / "node.crt"),
            serving_key=str(directory / "pki" / "node.key"),
            client_authority=str(control_plane.directory / "pki" / "ca.crt"),
            cpus=cpus or os.cpu_count() or 1,
            memory_bytes=memory_bytes or _physical_memory_bytes(),
            gpus=gpus,
            labels=dict(labels or {}),
            images={key: _image(image) for key, image in (images or {}).items()},
            isolate=isolate,
            empty_dirs=empty_dirs,
        )
        command = [sys.executable, "-m", "posefleet_lab.process_node.agent", str(directory / "node.json")]
        self._prepared = False
        # A Kubernetes client that is killed leaves certificates in the directory for temporary files.
        self._scratch = directory / "tmp"
        environment = {"PYTHONPATH": str(GO_MODULES), "TMPDIR": str(self._scratch)}
        self._component = Component(name, command, directory, environment)

    @property
    def components(self) -> list[Component]:
        """Return the agent's program."""
        return [self._component]

    def start(self) -> None:
        """Start the agent and return when pods can be scheduled to the node."""
        if not self._prepared:
            self._prepare()
        self._ready_file.unlink(missing_ok=True)
        self._component.start()
        self._component.wait_until(self._is_ready, "ready")

    def stop(self) -> None:
        """Stop the agent, and with it the processes of all containers."""
        self._component.stop()

    def kill(self) -> None:
        """Stop the agent with SIGKILL, and with it the processes of all containers."""
        self._component.kill()

    def restart(self, *, crash: bool = False) -> None:
        """Stop the agent, with SIGKILL if ``crash``, and start it again. Pods see a machine that was restarted."""
        self.kill() if crash else self.stop()
        self.start()

    def pids(self, namespace: str, pod: str, container: str | None = None) -> list[int]:
        """Return the pids of a pod's containers on this machine, the main process of each container first."""
        pattern = f"{namespace}_{pod}_*/containers/{container or '*'}/launch.json"
        launched = {str(file) for file in (self.directory / "pods").glob(pattern)}
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and launched & set(_arguments(entry)):
                found += descendants(int(entry.name))
        return found

    @property
    def _ready_file(self) -> Path:
        return self._config.ready_file

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._scratch.mkdir(exist_ok=True)
        pair = self._control_plane.authority.issue(f"system:node:{self.name}", hosts=["127.0.0.1"])
        pair.write(self.directory / "pki", "node")
        user = f"system:node:{self.name}"
        self._control_plane.client_kubeconfig(user, ["system:masters"], Path(self._config.kubeconfig))
        self._config.write(self.directory / "node.json")
        self._prepared = True

    def _is_ready(self) -> bool:
        if not self._ready_file.exists():
            return False
        node = self._control_plane.get(f"/api/v1/nodes/{self.name}")
        return node is not None and not (_NOT_READY & {taint["key"] for taint in node["spec"].get("taints") or []})


def _arguments(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []  # the process ended meanwhile


def _image(image: Image | Path) -> Image:
    return image if isinstance(image, Image) else Image(image)


def _physical_memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
