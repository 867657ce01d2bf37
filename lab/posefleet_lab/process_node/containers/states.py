"""The states of a pod's containers as its status shows them, and whether an ended container restarts."""

from dataclasses import dataclass
from datetime import datetime

from ...manifests import Manifest, now, parse_timestamp, timestamp

_FIRST_SECONDS = 10.0
_LONGEST_SECONDS = 300.0
_RESET_AFTER_SECONDS = 600.0
_LOST_EXIT_CODE = 255


@dataclass(frozen=True)
class Waiting:
    """The container has not started yet, or waits to restart."""

    reason: str
    message: str = ""

    def to_manifest(self) -> Manifest:
        """Return the state as in a pod's status."""
        state = {"reason": self.reason, "message": self.message}
        return {"waiting": {key: value for key, value in state.items() if value}}


@dataclass(frozen=True)
class Running:
    """The main process of the container runs."""

    started_at: datetime

    def to_manifest(self) -> Manifest:
        """Return the state as in a pod's status."""
        return {"running": {"startedAt": timestamp(self.started_at)}}


@dataclass(frozen=True)
class Terminated:
    """The main process has ended, with ``exit_code`` 128 + n after signal n."""

    exit_code: int
    reason: str
    started_at: datetime | None
    finished_at: datetime | None
    message: str = ""
    container_id: str = ""

    def to_manifest(self) -> Manifest:
        """Return the state as in a pod's status."""
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
    """Everything that a pod's status contains about one container."""

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
        """Return whether the container has ended with exit code 0."""
        return isinstance(self.state, Terminated) and self.state.exit_code == 0

    def to_manifest(self) -> Manifest:
        """Return the entry of ``containerStatuses``."""
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


def should_restart(policy: str, exit_code: int) -> bool:
    """Return whether a container with this restart policy restarts after this exit code."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


@dataclass
class Backoff:
    """The restart delays of a kubelet: 0, then 10 s doubled up to 5 minutes, and 0 again after a run of 10 minutes."""

    _next_seconds: float = 0.0

    def delay_after(self, ran_seconds: float) -> float:
        """Return the seconds to wait before the restart of a container that ran for ``ran_seconds``."""
        if ran_seconds >= _RESET_AFTER_SECONDS:
            self._next_seconds = 0.0
        delay = self._next_seconds
        self._next_seconds = min(max(_FIRST_SECONDS, delay * 2), _LONGEST_SECONDS)
        return delay


def new_records(pod: Manifest) -> tuple[list[ContainerRecord], list[ContainerRecord]]:
    """Return the records of the init containers and of the containers of a pod that has just been bound."""
    spec = pod["spec"]
    inits = spec.get("initContainers") or []
    waiting = Waiting("PodInitializing" if inits else "ContainerCreating")
    return [_record(entry, waiting) for entry in inits], [_record(entry, waiting) for entry in spec["containers"]]


def was_started(pod: Manifest) -> bool:
    """Return whether an agent has already started containers of the pod."""
    return any("waiting" not in status.get("state", {}) for status in _statuses(pod))


def lost_records(pod: Manifest) -> tuple[list[ContainerRecord], list[ContainerRecord]]:
    """Return the records of a pod whose processes ended with the agent that ran them.

    As after a restart of a machine, containers that were running get exit code 255 and reason Unknown.
    """
    inits, mains = new_records(pod)
    before = {status["name"]: status for status in _statuses(pod)}
    for record in [*inits, *mains]:
        if status := before.get(record.name):
            _take_over(record, status)
    return inits, mains


def mark_for_restart(records: list[ContainerRecord], policy: str) -> None:
    """Change ended containers to waiting where the pod's restart policy says that they restart."""
    for record in records:
        own = "Always" if record.sidecar else policy
        if isinstance(record.state, Terminated) and should_restart(own, record.state.exit_code):
            record.last, record.state = record.state, Waiting("ContainerCreating")
            record.restarts += 1


def _record(container: Manifest, waiting: Waiting) -> ContainerRecord:
    sidecar = container.get("restartPolicy") == "Always"
    return ContainerRecord(container["name"], container["image"], waiting, sidecar=sidecar)


def _statuses(pod: Manifest) -> list[Manifest]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _take_over(record: ContainerRecord, status: Manifest) -> None:
    record.restarts = int(status.get("restartCount") or 0)
    record.image_id = status.get("imageID") or ""
    record.container_id = status.get("containerID") or ""
    last = (status.get("lastState") or {}).get("terminated")
    record.last = _terminated(last) if last else None
    state = status.get("state") or {}
    if "terminated" in state:
        record.state = _terminated(state["terminated"])
    elif "running" in state:
        begun = parse_timestamp(state["running"]["startedAt"])
        record.state = Terminated(_LOST_EXIT_CODE, "Unknown", begun, now(), "", record.container_id)


def _terminated(state: Manifest) -> Terminated:
    begun, ended = state.get("startedAt"), state.get("finishedAt")
    return Terminated(
        int(state["exitCode"]),
        state.get("reason") or "",
        parse_timestamp(begun) if begun else None,
        parse_timestamp(ended) if ended else None,
        state.get("message") or "",
        state.get("containerID") or "",
    )
