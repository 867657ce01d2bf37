"""Kubernetes events, posted and counted as a kubelet does."""

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from ..api_client import MERGE, Api, ApiError, until_reachable
from ..manifests import Manifest, name_of, namespace_of, now, timestamp, uid_of

_log = logging.getLogger(__name__)

_REMEMBERED = 4096


@dataclass(frozen=True)
class _Occurrence:
    pod: Manifest
    kind: str
    reason: str
    message: str
    container: str

    def key(self) -> tuple[str, ...]:
        return (uid_of(self.pod), self.kind, self.reason, self.message, self.container)


class EventRecorder:
    """Posts events in the order in which they are recorded, in the background."""

    def __init__(self, api: Api, node: str) -> None:
        self._api, self._node = api, node
        self._queue: asyncio.Queue[_Occurrence] = asyncio.Queue()
        self._posted: OrderedDict[tuple[str, ...], tuple[str, int]] = OrderedDict()

    def normal(self, pod: Manifest, reason: str, message: str, container: str = "") -> None:
        """Record a Normal event; ``container`` is a field path such as ``spec.containers{trainer}``."""
        self._queue.put_nowait(_Occurrence(pod, "Normal", reason, message, container))

    def warning(self, pod: Manifest, reason: str, message: str, container: str = "") -> None:
        """Record a Warning event."""
        self._queue.put_nowait(_Occurrence(pod, "Warning", reason, message, container))

    async def run(self) -> None:
        """Post events until cancelled. An event that the API server refuses is dropped, as by a kubelet."""
        while True:
            occurrence = await self._queue.get()
            try:
                await until_reachable(partial(self._post, occurrence))
            except ApiError as error:
                _log.info("event %s of %s lost: %s", occurrence.reason, name_of(occurrence.pod), error)
            self._queue.task_done()

    async def drain(self, timeout_seconds: float) -> None:
        """Wait until all recorded events have been posted, but at most ``timeout_seconds``."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._queue.join()
        except TimeoutError:
            return

    async def _post(self, occurrence: _Occurrence) -> Manifest:
        path = f"/api/v1/namespaces/{namespace_of(occurrence.pod)}/events"
        key = occurrence.key()
        if key in self._posted:
            name, count = self._posted[key]
            await self._api.patch(f"{path}/{name}", {"count": count + 1, "lastTimestamp": timestamp(now())}, MERGE)
        else:
            manifest = self._manifest(occurrence)
            await self._api.create(path, manifest)
            name, count = name_of(manifest), 0
        self._posted[key] = (name, count + 1)
        if len(self._posted) > _REMEMBERED:
            self._posted.popitem(last=False)
        return {}

    def _manifest(self, occurrence: _Occurrence) -> Manifest:
        moment, pod = now(), occurrence.pod
        involved = {
            "kind": "Pod",
            "apiVersion": "v1",
            "namespace": namespace_of(pod),
            "name": name_of(pod),
            "uid": uid_of(pod),
            "resourceVersion": pod["metadata"]["resourceVersion"],
        }
        if occurrence.container:
            involved["fieldPath"] = occurrence.container
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name_of(pod)}.{time.time_ns():x}", "namespace": namespace_of(pod)},
            "involvedObject": involved,
            "type": occurrence.kind,
            "reason": occurrence.reason,
            "message": occurrence.message,
            "count": 1,
            "firstTimestamp": timestamp(moment),
            "lastTimestamp": timestamp(moment),
            "source": {"component": "kubelet", "host": self._node},
            "reportingComponent": "kubelet",
            "reportingInstance": self._node,
        }
