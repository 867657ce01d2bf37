"""A pod's phase and conditions from its containers, as a kubelet derives them."""

from collections.abc import Sequence
from datetime import datetime

from .containers import ContainerRecord, Running, Terminated, Waiting
from .objects import Manifest, timestamp


def phase(
    restart_policy: str, inits: Sequence[ContainerRecord], mains: Sequence[ContainerRecord], *, ending: bool = False
) -> str:
    """Return the phase. ``ending`` says that the pod is being deleted and its containers will not come back."""
    if ending:
        return _ended(mains)
    if any(_failed(record) for record in inits if not record.sidecar) and restart_policy == "Never":
        return "Failed"
    if not _initialized(inits, mains):
        return "Pending"
    if any(record.sidecar and isinstance(record.state, Running) for record in inits):
        restart_policy = "Always"  # as long as one runs, so does the pod
    return _phase_of_mains(restart_policy, mains)


def conditions(
    pod: Manifest,
    inits: Sequence[ContainerRecord],
    mains: Sequence[ContainerRecord],
    now: datetime,
    phase: str,
    *,
    mounted: bool = True,
) -> list[Manifest]:
    """Return the kubelet's conditions; each keeps its transition time while its status stays.

    ``mounted`` says that the pod's volumes are there.
    """
    ended, completed = phase in {"Succeeded", "Failed"}, phase == "Succeeded"
    sidecars = [record for record in inits if record.sidecar]
    unready = [record.name for record in [*sidecars, *mains] if not record.ready]
    reason, message = "", ""
    if completed:
        reason = "PodCompleted"
    elif ended:
        reason = "PodFailed"
    elif unready:
        reason, message = "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    pending = [record.name for record in inits if not record.succeeded and not record.sidecar]
    uninitialized = f"containers with incomplete status: [{' '.join(pending)}]"
    ready = not unready and not ended
    wanted = [
        _condition("PodReadyToStartContainers", mounted and not ended),
        _condition("Initialized", True, "PodCompleted" if completed else "")
        if _initialized(inits, mains)
        else _condition("Initialized", False, "ContainersNotInitialized", uninitialized),
        _condition("Ready", ready and _gates_open(pod), reason, message),
        _condition("ContainersReady", ready, reason, message),
        _condition("PodScheduled", True),
    ]
    before = {entry["type"]: entry for entry in pod.get("status", {}).get("conditions") or []}
    return [_with_transition(entry, before.get(entry["type"]), now) for entry in wanted]


def _initialized(inits: Sequence[ContainerRecord], mains: Sequence[ContainerRecord]) -> bool:
    """Tell whether the containers may start. Once one has, sidecars that end or start again change nothing."""
    if any(record.last or not isinstance(record.state, Waiting) for record in mains):
        return True
    return all(record.started if record.sidecar else record.succeeded for record in inits)


def _failed(record: ContainerRecord) -> bool:
    return isinstance(record.state, Terminated) and record.state.exit_code != 0


def _ended(mains: Sequence[ContainerRecord]) -> str:
    return "Succeeded" if all(record.succeeded for record in mains) else "Failed"


def _phase_of_mains(restart_policy: str, mains: Sequence[ContainerRecord]) -> str:
    waiting = [record for record in mains if isinstance(record.state, Waiting) and record.last is None]
    if waiting:
        return "Pending"
    if any(isinstance(record.state, Running) for record in mains):
        return "Running"
    if restart_policy == "Always" or any(isinstance(record.state, Waiting) for record in mains):
        return "Running"
    outcome = _ended(mains)
    return "Running" if outcome == "Failed" and restart_policy == "OnFailure" else outcome


def _gates_open(pod: Manifest) -> bool:
    true = {entry["type"] for entry in pod.get("status", {}).get("conditions") or [] if entry["status"] == "True"}
    return all(gate["conditionType"] in true for gate in pod["spec"].get("readinessGates") or [])


def _condition(kind: str, status: bool, reason: str = "", message: str = "") -> Manifest:  # noqa: FBT001, RUF100
    return {"type": kind, "status": str(status), "reason": reason or None, "message": message or None}


def _with_transition(entry: Manifest, before: Manifest | None, now: datetime) -> Manifest:
    same = before is not None and before["status"] == entry["status"]
    moment = before.get("lastTransitionTime") if same and before else None
    return {**entry, "lastTransitionTime": moment or timestamp(now)}
