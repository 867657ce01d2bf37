"""What the node asks of the launcher, as a JSON file between the two processes."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Mount:
    """A file or directory of the host that the container sees at ``path``."""

    path: str
    source: str
    read_only: bool = False


@dataclass(frozen=True)
class LaunchSpec:
    """One container's process and what it sees of the machine."""

    argv: list[str]
    env: dict[str, str]
    working_directory: str
    hostname: str
    uid: int
    gid: int
    root: str
    mounts: list[Mount] = field(default_factory=list)
    kept_paths: list[str] = field(default_factory=list)
    read_only_root: bool = False
    isolated: bool = True
    cgroup_files: list[str] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write the file; it holds the container's environment, so only its owner may read it."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "LaunchSpec":
        """Read what ``write`` wrote."""
        data: dict[str, Any] = json.loads(path.read_text())
        data["mounts"] = [Mount(**mount) for mount in data["mounts"]]
        return cls(**data)
