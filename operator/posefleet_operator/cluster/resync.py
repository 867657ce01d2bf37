"""Keeps the cache equal to the cluster by full lists.

A watch that was interrupted for too long starts again with a list, which does not tell what was deleted meanwhile.
Therefore everything is listed before the first reconcile, and again from time to time.
"""

import asyncio
import logging
from collections.abc import Callable

from posefleet_api.constants import LABEL_JOB
from posefleet_operator.cluster.cache import Cache, Store
from posefleet_operator.cluster.client import JOB, POD, TRAINING_JOB, ApiError, Cluster
from posefleet_operator.cluster.objects import Key, Manifest
from posefleet_operator.settings import Settings

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
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
        """List everything from time to time, and at once when ``watching`` has ended, and enqueue the jobs concerned.

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
                logger.warning("cannot list the cluster: %s", error)
                pause = _RETRY_SECONDS
            if watching.done() and self.readable == before:
                await watching

    async def relist(self) -> set[Key]:
        """List everything, make the cache equal to it, and return the keys of the jobs concerned.

        Raises:
            ApiError: if a list fails, or if no namespace at all can be read.
        """
        stores: tuple[Store, ...] = (self._cache.training_jobs, self._cache.child_jobs, self._cache.pods)
        for store in stores:
            store.begin_list()
        concerned: set[Key] = set()
        refusals: dict[str, ApiError] = {}
        for namespace in self._wanted:
            try:
                lists = await self._lists(namespace)
            except ApiError as error:
                if error.status != 403:
                    raise
                refusals[namespace] = error
                continue
            # All together, so that nobody sees the jobs of a namespace that is back without their children.
            for store, (manifests, version) in zip(stores, lists, strict=True):
                concerned |= store.replace_from_list(manifests, version, namespace)
        if refusals.keys() == set(self._wanted):
            raise next(iter(refusals.values()))
        return concerned | self._drop(refusals)

    async def _lists(self, namespace: str) -> list[tuple[list[Manifest], int]]:
        selectors = ((TRAINING_JOB, ""), (JOB, LABEL_JOB), (POD, LABEL_JOB))
        return [await self._cluster.list(kind, namespace, selector) for kind, selector in selectors]

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
