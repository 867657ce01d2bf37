"""The status of a pod: its phase and conditions, derived as a kubelet does, and the patches that write it."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ...api_client import Api, ApiError, until_reachable
from ...manifests import Manifest, name_of, namespace_of, now, timestamp, uid_of
from ..containers.states import ContainerRecord, Running, Terminated, Waiting
from ..sandbox.sandbox import HOST_IP

_log = logging.getLogger(__name__)


def phase(
    restart_policy: str, inits: Sequence[ContainerRecord], mains: Sequence[ContainerRecord], *, ending: bool = False
) -> str:
    """Return the phase of a pod. ``ending`` says that its containers do not restart, since the pod is being deleted."""
    if ending:
        return _ended(mains)
    if any(_failed(record) for record in inits if not record.sidecar) and restart_policy == "Never":
        return "Failed"
    if not _initialized(inits, mains):
        return "Pending"
    if any(record.sidecar and isinstance(record.state, Running) for record in inits):
        restart_policy = "Always"  # the pod runs as long as a sidecar does
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
    """Return the conditions that a kubelet sets. A condition whose status is unchanged keeps its transition time.

    ``mounted`` says that the volumes of the pod are set up.
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
    """Return whether the containers may start. This stays true once one has started, even if sidecars end."""
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


@dataclass
class PodState:
    """The state of a pod on this node, from which its status is derived."""

    address: str
    started: datetime
    inits: list[ContainerRecord]
    mains: list[ContainerRecord]
    mounted: bool = False
    ending: bool = False
    reason: str = ""
    message: str = ""
    extra_conditions: list[Manifest] = field(default_factory=list)

    def to_status(self, pod: Manifest, moment: datetime) -> Manifest:
        """Return the status of the pod at ``moment``, as a kubelet would write it."""
        policy = pod["spec"].get("restartPolicy") or "Always"
        stage = "Failed" if self.reason else phase(policy, self.inits, self.mains, ending=self.ending)
        status: Manifest = {
            "phase": stage,
            "conditions": [
                *conditions(pod, self.inits, self.mains, moment, stage, mounted=self.mounted),
                *self.extra_conditions,
            ],
            "hostIP": HOST_IP,
            "hostIPs": [{"ip": HOST_IP}],
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "startTime": timestamp(self.started),
            "containerStatuses": [record.to_manifest() for record in self.mains],
        }
        if self.inits:
            status["initContainerStatuses"] = [record.to_manifest() for record in self.inits]
        if self.reason:
            status |= {"reason": self.reason, "message": self.message}
        return status


class StatusWriter:
    """Writes the status of one pod by patches, which keep conditions that others have set."""

    def __init__(self, api: Api, state: PodState) -> None:
        self._api, self._state = api, state
        self._dirty = asyncio.Event()
        self._clean = asyncio.Event()
        self._gone = False
        self._written: Manifest = {}
        self.pod: Manifest = {}

    def changed(self) -> None:
        """Request that the status be written if it has changed."""
        if not self._gone:
            self._clean.clear()
            self._dirty.set()

    async def run(self) -> None:
        """Write each change until cancelled, or until the pod no longer exists in the API server."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._write()
            except ApiError as error:
                if error.status in {404, 409}:
                    self._gone = True
                    self._clean.set()
                    return
                _log.warning("status of %s: %s", name_of(self.pod), error)
            if not self._dirty.is_set():
                self._clean.set()

    async def flushed(self) -> None:
        """Wait until all changes so far have been written, or the pod no longer exists."""
        await self._clean.wait()

    async def _write(self) -> None:
        status = self._state.to_status(self.pod, now())
        if status == self._written:
            return
        path = f"/api/v1/namespaces/{namespace_of(self.pod)}/pods/{name_of(self.pod)}/status"
        # A strategic merge would add a new address to podIPs and keep the old one.
        addresses = [{"$patch": "replace"}, *status["podIPs"]]
        body = {"metadata": {"uid": uid_of(self.pod)}, "status": {**status, "podIPs": addresses}}
        answer = await until_reachable(lambda: self._api.patch(path, body))
        self._written = status
        self.pod = {**self.pod, "status": answer.get("status", {})}
