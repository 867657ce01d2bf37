"""posefleet's images, built by buildah and started by runc as a cluster's runtime would start them."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from build_image import ROOT, version

from posefleet_lab.images import base_image

Target = Literal["operator", "trainer"]


def built(target: Target) -> "BuiltImage":
    """The image of ``target``, built on the lab's base image; seconds if nothing changed."""
    name = f"localhost/posefleet-{target}:{version()}"
    base = base_image(print).into_buildah()
    script = [sys.executable, str(ROOT / "scripts" / "build_image.py"), target, "--tag", name, "--base-image", base]
    result = subprocess.run([*script, "--builder", "buildah"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return BuiltImage(name)


@dataclass(frozen=True)
class BuiltImage:
    """An image in buildah's store."""

    name: str

    @cached_property
    def description(self) -> dict[str, Any]:
        """The image's configuration and history."""
        return dict(json.loads(_buildah("inspect", "--type", "image", self.name))["OCIv1"])

    @property
    def config(self) -> dict[str, Any]:
        """What a runtime reads: Env, Entrypoint, User, Labels."""
        return dict(self.description["config"])

    @contextmanager
    def started(
        self,
        *arguments: str,
        command: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
        mounts: Mapping[str, Path] = MappingProxyType({}),
    ) -> Iterator["Container"]:
        """A container with a read-only root, no capability, no network, and nothing but /tmp to write to.

        ``mounts`` are files or folders of this machine, read-only, by where the container has them.
        """
        working = _buildah("from", "--pull-never", self.name).strip()
        bundle = Path("/run") / f"posefleet-test-{uuid.uuid4().hex[:8]}"
        try:
            bundle.mkdir()
            words = [*(command or self.config["Entrypoint"]), *arguments]
            specification = runtime_specification(self.config, words, _buildah("mount", working).strip())
            specification["process"]["env"] += [f"{name}={value}" for name, value in environment.items()]
            specification["mounts"] += [_bound(source, target) for target, source in mounts.items()]
            (bundle / "config.json").write_text(json.dumps(specification))
            container = Container(bundle)
            container.start()
            try:
                yield container
            finally:
                container.remove()
        finally:
            _buildah("rm", working)
            subprocess.run(["rm", "-r", str(bundle)], check=True)

    def run(self, *arguments: str, command: Sequence[str] = (), seconds: float = 120.0) -> "Ended":
        """Start a container, wait for its end, and return its exit code and output."""
        with self.started(*arguments, command=command) as container:
            return container.wait(seconds)

    def python(self, program: str, seconds: float = 120.0) -> "Ended":
        """Run a Python program with the image's own interpreter."""
        return self.run("-c", program, command=["python3"], seconds=seconds)


@dataclass(frozen=True)
class Ended:
    """How a container ended; ``output`` is stdout and stderr."""

    exit_code: int
    output: str


class Container:
    """One container of runc; its output goes to a file of the bundle."""

    def __init__(self, bundle: Path) -> None:
        self._bundle = bundle
        self._name = bundle.name
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the container's first process."""
        with (self._bundle / "output").open("wb") as output:
            self._process = subprocess.Popen(
                ["runc", "run", "--bundle", str(self._bundle), self._name],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def first_process(self) -> str:
        """The name of the container's first process; empty until it runs."""
        first = self._first_pid()
        return Path(f"/proc/{first}/comm").read_text().strip() if first else ""

    def processes(self) -> list[str]:
        """The command lines of all processes in the container."""
        first = self._first_pid()
        return _command_lines(_pid_namespace(Path(f"/proc/{first}"))) if first else []

    def _first_pid(self) -> int | None:
        state = subprocess.run(["runc", "state", self._name], capture_output=True, text=True, check=False)
        if state.returncode or (found := json.loads(state.stdout))["status"] != "running":
            return None
        return int(found["pid"])

    def signal(self, name: str) -> None:
        """Send the first process a signal, as a kubelet does."""
        subprocess.run(["runc", "kill", self._name, name], check=True)

    def output(self) -> str:
        """What the container has printed so far."""
        return (self._bundle / "output").read_text(errors="replace")

    def wait(self, seconds: float) -> Ended:
        """Wait for the end. Raises TimeoutExpired."""
        assert self._process is not None
        return Ended(self._process.wait(seconds), self.output())

    def remove(self) -> None:
        """End what still runs."""
        subprocess.run(["runc", "delete", "--force", self._name], capture_output=True, check=False)
        assert self._process is not None
        self._process.wait(30)


def runtime_specification(config: Mapping[str, Any], words: Sequence[str], root: str) -> dict[str, Any]:
    """What the ``restricted`` Pod Security Standard leaves of a container, with a read-only root."""
    user, group = (int(number) for number in config["User"].split(":"))
    temporary = {"type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "mode=1777"]}
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": user, "gid": group},
            "args": list(words),
            "env": list(config["Env"]),
            "cwd": config.get("WorkingDir") or "/",
            "capabilities": {},
            "noNewPrivileges": True,
        },
        "root": {"path": root, "readonly": True},
        "hostname": "posefleet",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/dev/shm", **temporary},
            {"destination": "/tmp", **temporary},
        ],
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")]},
    }


def _command_lines(namespace: str) -> list[str]:
    processes = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    inside = [entry for entry in processes if _pid_namespace(entry) == namespace]
    return [(entry / "cmdline").read_text().replace("\0", " ") for entry in inside]


def _pid_namespace(process: Path) -> str:
    """The process's namespace; empty for one that has gone."""
    try:
        return str((process / "ns" / "pid").readlink())
    except OSError:
        return ""


def _bound(source: Path, target: str) -> dict[str, Any]:
    return {"destination": target, "type": "bind", "source": str(source), "options": ["bind", "ro"]}


def _buildah(*arguments: str) -> str:
    return subprocess.run(["buildah", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout
