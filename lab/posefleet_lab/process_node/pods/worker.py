"""The life of one pod on this node, from its binding to its deletion."""

import asyncio
import logging
import shutil
from collections.abc import Coroutine
from typing import Any

from ...api_client import ApiError, until_reachable
from ...manifests import Manifest, key_of, name_of, namespace_of, now, parse_timestamp, uid_of
from ..containers.states import lost_records, mark_for_restart, new_records, was_started
from ..sandbox.sandbox import NodeServices, PodSandbox
from ..sandbox.volumes import VolumeError
from .eviction import Eviction, until_deadline, until_over_size_limit
from .pod_containers import PodContainers
from .status import PodState, StatusWriter

_log = logging.getLogger(__name__)

_VOLUME_RETRY_SECONDS = 1.0
_VOLUME_REFRESH_SECONDS = 10.0


class PodWorker:
    """Runs one pod. ``update`` and ``removed`` pass on changes of the pod in the API server."""

    def __init__(self, node: NodeServices, pod: Manifest) -> None:
        self.pod = pod
        self._node = node
        self._deleted = asyncio.Event()
        address = node.network.new_address()
        inits, mains = lost_records(pod) if was_started(pod) else new_records(pod)
        self._state = PodState(address, _start_time(pod), inits, mains)
        self._writer = StatusWriter(node.api, self._state)
        self._writer.pod = pod
        self.sandbox = PodSandbox(node, pod, address, self._writer.changed)
        self.containers = PodContainers.of(self.sandbox, inits, mains)
        self.finished = asyncio.Event()

    def update(self, pod: Manifest) -> None:
        """Handle a newer version of the pod."""
        before, self.pod = self.pod, pod
        self.sandbox.pod = self._writer.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            if self._deleted.is_set() and _grace(pod) < _grace(before):
                self.containers.shorten_grace_period(_grace(pod))
            self._deleted.set()

    def removed(self) -> None:
        """End the pod at once, because it no longer exists in the API server."""
        self.pod["metadata"]["deletionGracePeriodSeconds"] = 0
        self.containers.shorten_grace_period(0)
        self._deleted.set()

    async def run(self) -> None:
        """Run the pod to its end, wait for its deletion, and remove it."""
        writer = asyncio.create_task(self._writer.run())
        self.update(self.pod)
        try:
            if (self.pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}:
                await self._run_containers()
            self.finished.set()
            await self._deleted.wait()
            await self._remove()
        finally:
            writer.cancel()
            self._node.names.unsubscribe(self.pod)

    async def _run_containers(self) -> None:
        """Run until the containers end, the pod is deleted, or the node evicts it."""
        self.sandbox.prepare()
        work = asyncio.create_task(self._live())
        watchers = [self._spawn(until_over_size_limit(self.sandbox)), self._spawn(until_deadline(self.pod))]
        deleted = self._spawn(self._deleted.wait())
        await asyncio.wait({work, deleted, *watchers}, return_when=asyncio.FIRST_COMPLETED)
        grace = _grace(self.pod)
        for watcher in watchers:
            if watcher.done() and not watcher.cancelled():
                self._evict(watcher.result())
                grace = 0
        if not work.done():
            await self.containers.stop(grace)
            self.containers.fail_unstarted()
            self._state.ending = True
        for task in [work, deleted, *watchers]:
            task.cancel()
        outcomes = await asyncio.gather(work, return_exceptions=True)
        self._report_failure(outcomes[0])
        self._writer.changed()
        await self._writer.flushed()

    async def _live(self) -> None:
        self._writer.changed()
        if was_started(self.pod) and not self._restarts():
            return
        await self._set_up_volumes()
        self._state.mounted = True
        self._writer.changed()
        refresh = self._spawn(self._refresh_volumes())
        try:
            await self.containers.run()
        finally:
            refresh.cancel()

    def _restarts(self) -> bool:
        """Mark the containers that an earlier agent ran for restart. Returns False if the pod ends instead."""
        policy = self.pod["spec"].get("restartPolicy") or "Always"
        if policy == "Never":
            self.containers.fail_unstarted()
            self._state.ending = True
            return False
        mark_for_restart(self._state.inits, "OnFailure")
        mark_for_restart(self._state.mains, policy)
        return True

    async def _set_up_volumes(self) -> None:
        while True:
            try:
                await self.sandbox.volumes.set_up()
            except VolumeError as error:
                self._node.events.warning(self.pod, "FailedMount", str(error))
                await asyncio.sleep(_VOLUME_RETRY_SECONDS)
                continue
            return

    async def _refresh_volumes(self) -> None:
        """Update ConfigMaps, Secrets and tokens in the volumes of a running pod."""
        while True:
            await asyncio.sleep(_VOLUME_REFRESH_SECONDS)
            try:
                await self.sandbox.volumes.set_up()
            except VolumeError as error:
                _log.info("volumes of %s: %s", key_of(self.pod), error)

    def _evict(self, eviction: Eviction) -> None:
        self._state.reason, self._state.message = eviction.reason, eviction.message
        self._state.extra_conditions = eviction.conditions
        self._node.events.warning(self.pod, eviction.reason, eviction.message)

    def _report_failure(self, outcome: object) -> None:
        if isinstance(outcome, Exception):
            _log.error("pod %s", key_of(self.pod), exc_info=outcome)
            self._state.reason, self._state.message = "NodeAgentError", f"the lab's node agent failed: {outcome!r}"

    async def _remove(self) -> None:
        """Remove the pod from the API server and its files from this machine."""
        path = f"/api/v1/namespaces/{namespace_of(self.pod)}/pods/{name_of(self.pod)}"
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid_of(self.pod)}}
        try:
            await until_reachable(lambda: self._node.api.delete(path, body))
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
        self.sandbox.volumes.remove()
        shutil.rmtree(self.sandbox.directory, ignore_errors=True)

    @staticmethod
    def _spawn(work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        return asyncio.create_task(work)


def _grace(pod: Manifest) -> float:
    seconds = pod["metadata"].get("deletionGracePeriodSeconds")
    if seconds is None:
        seconds = pod["spec"].get("terminationGracePeriodSeconds")
    return 30.0 if seconds is None else float(seconds)


def _start_time(pod: Manifest) -> Any:
    begun = (pod.get("status") or {}).get("startTime")
    return parse_timestamp(begun) if begun else now()
