"""The file by which ``down``, ``status`` and ``env`` find a cluster that another process started."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .component import ProcessIdentity
from .kubeconfig import write_private

_FILE = "cluster.json"


@dataclass(frozen=True)
class ClusterState:
    """What runs in a cluster directory, and how to reach it; ``pages`` are for a browser.

    The file is for its owner alone.
    """

    name: str
    kubeconfig: str
    pid_files: dict[str, str]
    store: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        """Write the file, all at once."""
        fresh = write_private(directory / f".{_FILE}", json.dumps(asdict(self), indent=2))
        fresh.replace(directory / _FILE)

    @classmethod
    def read(cls, directory: Path) -> "ClusterState | None":
        """Return what the file says, None if there is none."""
        try:
            data = json.loads((directory / _FILE).read_text())
        except FileNotFoundError:
            return None
        return cls(**data)

    @staticmethod
    def forget(directory: Path) -> None:
        """Delete the file."""
        (directory / _FILE).unlink(missing_ok=True)

    def running(self) -> dict[str, bool]:
        """Tell for each component whether it runs."""
        processes = self.processes()
        return {name: name in processes and processes[name].alive() for name in self.pid_files}

    def processes(self) -> dict[str, ProcessIdentity]:
        """Return each component's last process."""
        found = {name: ProcessIdentity.read(Path(file)) for name, file in self.pid_files.items()}
        return {name: identity for name, identity in found.items() if identity is not None}
