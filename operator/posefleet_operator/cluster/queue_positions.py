"""Reads the places of waiting jobs in the queues of Kueue.

Kueue publishes them on demand, through an aggregated API that does not support watches. One request for each LocalQueue
in which a job waits returns the places of all of them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from posefleet_operator.cluster.client import ApiError, Cluster, Kind
from posefleet_operator.cluster.objects import Key, Manifest, key_of

logger = logging.getLogger(__name__)

_LOCAL_QUEUE = Kind("visibility.kueue.x-k8s.io/v1beta2", "LocalQueue", "localqueues")
_PENDING = "pendingworkloads"


class QueuePositions:
    """Keeps the place of every job that waits, counted from 1, and has a job reconciled when its place changes."""

    def __init__(
        self,
        cluster: Cluster,
        jobs: Callable[[], Iterable[Manifest]],
        enqueue: Callable[[Key], None],
        interval_seconds: float,
    ) -> None:
        """``jobs`` returns all PoseTrainingJobs that are known."""
        self._cluster = cluster
        self._jobs = jobs
        self._enqueue = enqueue
        self._interval_seconds = interval_seconds
        self._places: dict[Key, int] = {}
        #: The queues whose last error has been logged.
        self._failing: set[Key] = set()

    def of(self, key: Key) -> int | None:
        """Return the place of a job, or None if it does not wait or if its place is not known."""
        return self._places.get(key)

    async def run(self) -> None:
        """Read the places, again and again, until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._interval_seconds)

    async def refresh(self) -> None:
        """Read the places once."""
        queues: dict[Key, dict[str, Key]] = {}
        for job in self._jobs():
            if uid := _job_that_waits(job):
                namespace, _ = key = key_of(job)
                queues.setdefault((namespace, job["spec"].get("queue", "")), {})[uid] = key
        places: dict[Key, int] = {}
        for queue, keys in queues.items():
            places |= {keys[uid]: place for uid, place in (await self._places_in(queue)).items() if uid in keys}
        before, self._places = self._places, places
        for key in before.keys() | places.keys():
            if before.get(key) != places.get(key):
                self._enqueue(key)

    async def _places_in(self, queue: Key) -> dict[str, int]:
        """Return the places of the Workloads of a LocalQueue by the uid of their Job, or none if Kueue hides them."""
        try:
            answer = await self._cluster.get(_LOCAL_QUEUE, *queue, subresource=_PENDING)
        except ApiError as error:
            if queue not in self._failing:
                logger.warning("the places of jobs in queue %s/%s are not known: %s", *queue, error)
            self._failing.add(queue)
            return {}
        self._failing.discard(queue)
        return {
            owner["uid"]: int(waits.get("positionInClusterQueue", 0)) + 1
            for waits in answer.get("items") or []
            for owner in waits["metadata"].get("ownerReferences") or []
        }


def _job_that_waits(job: Manifest) -> str:
    """Return the uid of the Job with which a PoseTrainingJob waits in a queue, or an empty text."""
    status = job.get("status") or {}
    attempts = status.get("attempts") or []
    return str(attempts[-1].get("jobUid") or "") if status.get("phase") == "Queued" and attempts else ""
