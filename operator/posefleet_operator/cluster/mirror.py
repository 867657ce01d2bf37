"""A cache that is kept equal to the cluster, whether this operator leads or stands by."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from posefleet_api.constants import COMPONENT_ATTEMPT
from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.client import Cluster
from posefleet_operator.cluster.handlers import watch
from posefleet_operator.cluster.objects import Key, Manifest
from posefleet_operator.cluster.resync import Resync
from posefleet_operator.settings import Settings


class Mirror:
    """Lists and watches the cluster. A standby does so as well, so that it can take over at once."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self.cache = Cache()
        #: Is set as soon as the cache has been equal to the cluster for the first time.
        self.complete = asyncio.Event()
        self._cluster = cluster
        self._resync = Resync(cluster, self.cache, settings)
        self._listener: Callable[[Key], None] | None = None

    @contextmanager
    def listening(self, changed: Callable[[Key], None]) -> Iterator[None]:
        """Call ``changed`` with every job that changes or whose children change."""
        self._listener = changed
        try:
            yield
        finally:
            self._listener = None

    async def run(self) -> None:
        """Keep the cache equal to the cluster until cancelled.

        Raises:
            ExceptionGroup: if the watch ends for a reason that is not expected.
        """
        await self._resync.initial_list()
        self.complete.set()
        while True:
            watching = asyncio.create_task(self._watch())
            try:
                await self._resync.run(watching, self._changed)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        """Watch the readable namespaces."""
        async with asyncio.TaskGroup() as tasks:
            for children in self._resync.child_watches:
                tasks.create_task(children.run(self._changed))
            tasks.create_task(watch(self._resync.readable, self._job_changed, self._cluster.credentials))

    def _job_changed(self, event_type: str | None, manifest: Manifest) -> None:
        if self.cache.training_jobs.is_news(event_type, manifest):
            self._changed(self.cache.training_jobs.apply(event_type, manifest))

    def _changed(self, key: Key) -> None:
        if self._listener is not None:
            self._listener(key)
        else:
            self._tidy(key)

    def _tidy(self, key: Key) -> None:
        """Forget the pods that are gone and whose end the leader has recorded."""
        pods = self.cache.pods
        if key not in self.cache.training_jobs:
            pods.forget(key)
        elif any(pod.gone for pod in pods.of(key)):
            manifest = self.cache.training_jobs.get(key) or {}
            attempts = (manifest.get("status") or {}).get("attempts") or []
            pods.prune_tombstones(key, lambda pod: _is_recorded(pod, attempts))


def _is_recorded(pod: ChildPod, attempts: Sequence[Manifest]) -> bool:
    """Return whether the attempt of a pod has ended. An attempt may have taken over the Job of an earlier one."""
    identity = pod.identity
    if identity.component != COMPONENT_ATTEMPT:
        return False
    own = [one for one in attempts if one["number"] == identity.number or one.get("jobUid") == identity.controller_uid]
    return bool(own) and all(attempt.get("outcome") for attempt in own)
