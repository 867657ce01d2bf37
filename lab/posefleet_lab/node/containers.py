"""The states of a container, as they appear in a pod's status."""

from dataclasses import dataclass
from datetime import datetime

from .objects import Manifest, timestamp


@dataclass(frozen=True)
class Waiting:
    """Not started, or to be started again."""

    reason: str
    message: str = ""

    def to_manifest(self) -> Manifest:
        """Return it as in a status."""
        state = {"reason": self.reason, "message": self.message}
        return {"waiting": {key: value for key, value in state.items() if value}}


@dataclass(frozen=True)
class Running:
    """Its main process runs."""

    started_at: datetime

    def to_manifest(self) -> Manifest:
        """Return it as in a status."""
        return {"running": {"startedAt": timestamp(self.started_at)}}


@dataclass(frozen=True)
class Terminated:
    """Its main process ended; ``exit_code`` is 128 + n after signal n."""

    exit_code: int
    reason: str
    started_at: datetime | None
    finished_at: datetime | None
    message: str = ""
    container_id: str = ""

    def to_manifest(self) -> Manifest:
        """Return it as in a status."""
        state: Manifest = {"exitCode": self.exit_code, "reason": self.reason}
        state["startedAt"] = timestamp(self.started_at) if self.started_at else None
        state["finishedAt"] = timestamp(self.finished_at) if self.finished_at else None
        if self.message:
            state["message"] = self.message
        if self.container_id:
            state["containerID"] = self.container_id
        return {"terminated": state}


State = Waiting | Running | Terminated


@dataclass
class ContainerRecord:
    """All that a pod's status says about one container."""

    name: str
    image: str
    state: State
    last: Terminated | None = None
    restarts: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""
    image_id: str = ""
    sidecar: bool = False

    @property
    def succeeded(self) -> bool:
        """Tell whether it ended with exit code 0."""
        return isinstance(self.state, Terminated) and self.state.exit_code == 0

    def to_manifest(self) -> Manifest:
        """Return its ``containerStatuses`` entry."""
        status: Manifest = {
            "name": self.name,
            "image": self.image,
            "imageID": self.image_id,
            "state": self.state.to_manifest(),
            "lastState": self.last.to_manifest() if self.last else {},
            "restartCount": self.restarts,
            "ready": self.ready,
            "started": self.started,
        }
        if self.container_id:
            status["containerID"] = self.container_id
        return status
