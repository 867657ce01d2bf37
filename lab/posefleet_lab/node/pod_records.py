"""The first records of a pod's containers, and those of a pod that an earlier agent left behind."""

from .containers import ContainerRecord, Terminated, Waiting
from .objects import Manifest, now, parse_timestamp
from .restart import should_restart

_LOST_EXIT_CODE = 255


def new_records(pod: Manifest) -> tuple[list[ContainerRecord], list[ContainerRecord]]:
    """Return the records of the init containers and of the containers of a pod that was just bound."""
    spec = pod["spec"]
    inits = spec.get("initContainers") or []
    waiting = Waiting("PodInitializing" if inits else "ContainerCreating")
    return [_record(entry, waiting) for entry in inits], [_record(entry, waiting) for entry in spec["containers"]]


def was_started(pod: Manifest) -> bool:
    """Tell whether a node agent had started containers of the pod before."""
    return any("waiting" not in status.get("state", {}) for status in _statuses(pod))


def lost_records(pod: Manifest) -> tuple[list[ContainerRecord], list[ContainerRecord]]:
    """Return the records of a pod whose processes ended with the agent that ran them.

    As after a restart of a machine: what ran ended with exit code 255 and reason Unknown.
    """
    inits, mains = new_records(pod)
    before = {status["name"]: status for status in _statuses(pod)}
    for record in [*inits, *mains]:
        if status := before.get(record.name):
            _take_over(record, status)
    return inits, mains


def bring_back(records: list[ContainerRecord], policy: str) -> None:
    """Make lost containers ready to start again where the pod's restart policy says so."""
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
