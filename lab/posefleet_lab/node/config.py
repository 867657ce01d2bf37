"""How one process node is set up; handed to the agent's process as a JSON file."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .images import Image


@dataclass(frozen=True)
class NodeConfig:
    """A node's name, what it pretends to have, and where its files lie."""

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

    @property
    def ready_file(self) -> Path:
        """Return the file that the agent makes once the node is registered."""
        return self.directory / "ready"

    def allocatable(self) -> dict[str, str]:
        """Return what the scheduler may give to pods."""
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
        data["images"] = {name: image.to_data() for name, image in self.images.items()}
        path.write_text(json.dumps(data))

    @classmethod
    def read(cls, path: Path) -> "NodeConfig":
        """Read what ``write`` wrote."""
        data: dict[str, Any] = json.loads(path.read_text())
        data["directory"] = Path(data["directory"])
        data["images"] = {name: Image.from_data(image) for name, image in data["images"].items()}
        return cls(**data)
