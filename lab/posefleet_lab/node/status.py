"""A pod's status, put together and written only when it differs from what was written."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime

from .api import Api, ApiError, until_reachable
from .containers import ContainerRecord
from .objects import Manifest, name_of, namespace_of, now, timestamp, uid_of
from .phases import conditions, phase
from .sandbox import HOST_IP

_log = logging.getLogger(__name__)


@dataclass
class PodState:
    """What the node knows of a pod that runs here."""

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
        """Return the status as a kubelet would write it."""
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
    """Writes one pod's status by patches, so that conditions set by others stay."""

    def __init__(self, api: Api, state: PodState) -> None:
        self._api, self._state = api, state
        self._dirty = asyncio.Event()
        self._clean = asyncio.Event()
        self._gone = False
        self._written: Manifest = {}
        self.pod: Manifest = {}

    def changed(self) -> None:
        """Say that the status may differ now."""
        if not self._gone:
            self._clean.clear()
            self._dirty.set()

    async def run(self) -> None:
        """Write until cancelled, or until the pod is gone from the API server."""
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
        """Wait until what changed so far is written, or the pod is gone."""
        await self._clean.wait()

    async def _write(self) -> None:
        status = self._state.to_status(self.pod, now())
        if status == self._written:
            return
        path = f"/api/v1/namespaces/{namespace_of(self.pod)}/pods/{name_of(self.pod)}/status"
        # podIPs merge by address: without this a new address would join the old one.
        addresses = [{"$patch": "replace"}, *status["podIPs"]]
        body = {"metadata": {"uid": uid_of(self.pod)}, "status": {**status, "podIPs": addresses}}
        answer = await until_reachable(lambda: self._api.patch(path, body))
        self._written = status
        self.pod = {**self.pod, "status": answer.get("status", {})}
