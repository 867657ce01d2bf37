"""Keeps the cached PoseTrainingJobs equal to the cluster by full lists.

A watch of kopf that was interrupted for too long starts again with a list, which does not tell what was deleted
meanwhile. Therefore everything is listed before the first reconcile, and the PoseTrainingJobs again from time to time.
The watches of their children notice themselves what they have missed (``child_watch.py``).
"""

import asyncio
import logging
from collections.abc import Callable

from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.child_watch import ChildWatch, child_watches, relist
from posefleet_operator.cluster.client import TRAINING_JOB, ApiError, Cluster
from posefleet_operator.cluster.objects import Key
from posefleet_operator.settings import Settings

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
#: The API server did not answer, or is not ready to.
_OUTAGE = frozenset({0, 503})
#: The watches begin after the first list. What was deleted in between is noticed after this time.
_FIRST_PAUSE_SECONDS = 15.0
#: A namespace that could not be read is tried again after this time.
_REFUSED_PAUSE_SECONDS = 30.0


class Resync:
    """Makes the cache equal to the cluster, and keeps track of the namespaces that can be read.

    When a namespace is deleted, the operator loses its rights in it. The others are still served.
    """

    def __init__(self, cluster: Cluster, cache: Cache, settings: Settings) -> None:
        self._cluster = cluster
        self._cache = cache
        self._resync_seconds = settings.resync_seconds
        self._wanted = settings.namespaces or ("",)
        self._refused: frozenset[str] = frozenset()
        #: The watches of the children in each namespace whose children have been listed.
        self._children: dict[str, tuple[ChildWatch, ...]] = {}

    @property
    def child_watches(self) -> tuple[ChildWatch, ...]:
        """The watches of the children in the namespaces that could be read the last time."""
        return tuple(watch for watches in self._children.values() for watch in watches)

    @property
    def readable(self) -> tuple[str, ...]:
        """The namespaces that could be read the last time. An empty name stands for all namespaces."""
        return tuple(name for name in self._wanted if name not in self._refused)

    async def initial_list(self) -> None:
        """List everything for the first time. This is retried until it works, because nothing may be decided before."""
        logged = ""
        while True:
            try:
                await self.relist()
                return
            except ApiError as error:
                if (hint := _hint(error)) != logged:
                    logger.warning("cannot read the cluster yet: %s", hint)
                logged = hint
                await asyncio.sleep(_RETRY_SECONDS)

    async def run(self, watching: asyncio.Task[None], enqueue: Callable[[Key], None]) -> None:
        """List the jobs from time to time, and at once when ``watching`` has ended, and enqueue those that changed.

        This returns when other namespaces than before can be read.

        Raises:
            WatchEnded: if the watch has ended for another reason.
        """
        before, pause = self.readable, _FIRST_PAUSE_SECONDS
        while self.readable == before:
            await asyncio.wait([watching], timeout=pause)
            try:
                for key in await self.relist():
                    enqueue(key)
                pause = min(self._resync_seconds, _REFUSED_PAUSE_SECONDS) if self._refused else self._resync_seconds
            except ApiError as error:
                # The election tells of an API server that does not answer.
                logger.log(
                    logging.DEBUG if error.status in _OUTAGE else logging.WARNING, "cannot list the cluster: %s", error
                )
                pause = _RETRY_SECONDS
            if watching.done() and self.readable == before:
                await watching

    async def relist(self) -> set[Key]:
        """List the jobs, make the cache equal to the list, and return the keys of those that have changed.

        Raises:
            ApiError: if a list fails, or if no namespace at all can be read.
        """
        concerned: set[Key] = set()
        refusals: dict[str, ApiError] = {}
        for namespace in self._wanted:
            try:
                concerned |= await self._list(namespace)
            except ApiError as error:
                if error.status != 403:
                    raise
                refusals[namespace] = error
                self._children.pop(namespace, None)
        if refusals.keys() == set(self._wanted):
            raise next(iter(refusals.values()))
        return concerned | self._drop(refusals)

    async def _list(self, namespace: str) -> set[Key]:
        """List a namespace, first the children, so that nobody sees the jobs of one that is back without them."""
        concerned: set[Key] = set()
        if namespace not in self._children:
            watches = child_watches(self._cluster, self._cache, namespace)
            for watch in watches:
                concerned |= await watch.list()
            self._children[namespace] = watches
        changed, _ = await relist(self._cluster, TRAINING_JOB, self._cache.training_jobs, namespace)
        return concerned | changed

    def _drop(self, refusals: dict[str, ApiError]) -> set[Key]:
        """Remove the jobs of namespaces that cannot be read. Their children are kept, in case the jobs come back."""
        for namespace in refusals.keys() - self._refused:
            logger.warning("namespace %s is not served until it can be read: %s", namespace, refusals[namespace])
        for namespace in self._refused - refusals.keys():
            logger.info("namespace %s can be read again and is served", namespace)
        self._refused = frozenset(refusals)
        return {key for namespace in refusals for key in self._cache.training_jobs.drop_namespace(namespace)}


def _hint(error: ApiError) -> str:
    if error.status == 404:
        return f"{error.message.strip()}; is the CustomResourceDefinition installed? (`kubectl apply -f crds/`)"
    return str(error)
