"""The configuration of a process node, which its agent reads from a JSON file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """A virtual environment that process nodes use as an image.

    ``user`` is the image's USER, with whose uid containers run unless their securityContext names another.
    ``entrypoint`` is the command of containers that have none. ``variables`` are added to the image's ENV.
    """

    environment: Path
    entrypoint: tuple[str, ...] = ()
    user: int = 65532
    variables: Mapping[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        """Return the image's ENV, in which the programs of the virtual environment come first on the PATH."""
        return {
            "PATH": f"{self.environment}/bin:{_SYSTEM_PATH}",
            "VIRTUAL_ENV": str(self.environment),
            **self.variables,
        }

    def kept_paths(self) -> list[str]:
        """Return the paths that no volume may hide: the virtual environment, its Python and editable sources."""
        base = [str(self.environment), *_base_python(self.environment), *_editable_sources(self.environment)]
        return list(dict.fromkeys(base))

    def to_data(self) -> dict[str, Any]:
        """Return the image as JSON data."""
        return {**asdict(self), "environment": str(self.environment), "variables": dict(self.variables)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Image":
        """Create an image from the output of ``to_data``."""
        return cls(Path(data["environment"]), tuple(data["entrypoint"]), int(data["user"]), dict(data["variables"]))


def image_id(image: Image) -> str:
    """Return the image id for a container's status. It has the form of a digest reference but no real digest."""
    return f"lab.local/{image.environment.name}@sha256:{'0' * 64}"


def _base_python(environment: Path) -> Iterable[str]:
    configuration = environment / "pyvenv.cfg"
    if not configuration.exists():
        return
    for line in configuration.read_text().splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "home":
            yield str(Path(value.strip()).parent)


def _editable_sources(environment: Path) -> Iterable[str]:
    for file in environment.glob("lib/python3*/site-packages/*.pth"):
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith("/") and Path(line).is_dir():
                yield line


@dataclass(frozen=True)
class NodeConfig:
    """The name of a process node, the resources that it offers, and its files."""

    name: str
    kubeconfig: str
    directory: Path
    port: int
    serving_certificate: str
    serving_key: str
    client_authority: str
    cpus: int
    memory_bytes: int
    gpus: int = 0
    pods: int = 500
    labels: dict[str, str] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    isolate: bool = True
    #: Holds the emptyDirs of pods, such as a small file system that can be filled. None to keep them in ``directory``.
    empty_dirs: Path | None = None

    @property
    def ready_file(self) -> Path:
        """Return the file that the agent creates once the node is registered."""
        return self.directory / "ready"

    def allocatable(self) -> dict[str, str]:
        """Return the resources that the scheduler can give to pods, as Kubernetes quantities."""
        resources = {
            "cpu": str(self.cpus),
            "memory": str(self.memory_bytes),
            "ephemeral-storage": "1Ti",
            "pods": str(self.pods),
        }
        return resources | ({"nvidia.com/gpu": str(self.gpus)} if self.gpus else {})

    def write(self, path: Path) -> None:
        """Write the configuration."""
        data: dict[str, Any] = dict(self.__dict__)
        data["directory"] = str(self.directory)
        data["empty_dirs"] = str(self.empty_dirs) if self.empty_dirs else None
        data["images"] = {name: image.to_data() for name, image in self.images.items()}
        path.write_text(json.dumps(data))

    @classmethod
    def read(cls, path: Path) -> "NodeConfig":
        """Read a file that ``write`` has written."""
        data: dict[str, Any] = json.loads(path.read_text())
        data["directory"] = Path(data["directory"])
        data["empty_dirs"] = Path(data["empty_dirs"]) if data["empty_dirs"] else None
        data["images"] = {name: Image.from_data(image) for name, image in data["images"].items()}
        return cls(**data)
