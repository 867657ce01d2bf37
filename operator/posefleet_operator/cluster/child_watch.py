"""Watches the Jobs and pods of PoseTrainingJobs: a list, then its changes, and another list when changes were missed.

kopf watches the PoseTrainingJobs themselves. Their children are many times as many, and change more often.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Set
from contextlib import aclosing

from posefleet_api.constants import LABEL_JOB
from posefleet_operator.cluster.cache import Cache, Children, Store
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.client import JOB, POD, ApiError, Cluster, Kind
from posefleet_operator.cluster.objects import Key, Manifest

logger = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 0.5, 8.0
_GONE = 410


async def relist(
    cluster: Cluster, kind: Kind, store: Store, namespace: str, selector: str = ""
) -> tuple[set[Key], int]:
    """Make a store equal to the cluster by a list of one namespace, or of all if its name is empty.

    Returns:
        The jobs concerned by what has changed, and the version of the list.

    Raises:
        ApiError: if the list fails.
    """
    store.begin_list()
    changed: set[Key] = set()
    listed: set[str] = set()
    version = 0
    async for manifests, version in cluster.pages(kind, namespace, selector):
        changed |= store.apply_listed(manifests, version)
        listed.update(manifest["metadata"].get("uid", "") for manifest in manifests)
    return changed | store.drop_unlisted(listed, version, namespace), version


class ChildWatch:
    """The watch of one kind of children in one namespace, or in all namespaces if its name is empty."""

    def __init__(
        self, cluster: Cluster, kind: Kind, store: Children[ChildJob] | Children[ChildPod], namespace: str
    ) -> None:
        self._cluster = cluster
        self._kind = kind
        self._store = store
        self._namespace = namespace
        #: The version up to which the store is equal to the cluster. 0 if a list is due.
        self._version = 0

    async def list(self) -> Set[Key]:
        """Make the store equal to the cluster, and return the owners of the children that have changed.

        Raises:
            ApiError: if the list fails.
        """
        owners, self._version = await relist(self._cluster, self._kind, self._store, self._namespace, LABEL_JOB)
        return owners

    async def run(self, changed: Callable[[Key], None]) -> None:
        """Call ``changed`` with the owner of each child that changes, until cancelled."""
        failures = 0
        while True:
            try:
                if not self._version:
                    for owner in await self.list():
                        changed(owner)
                watch = self._cluster.watch(self._kind, self._namespace, LABEL_JOB, str(self._version))
                async with aclosing(watch) as parts:
                    async for events in parts:
                        failures = 0
                        for event_type, manifest in events:
                            self._apply(event_type, manifest, changed)
            except ApiError as error:
                logger.debug("the watch of %s begins again: %s", self._kind.plural, error)
                if error.status == _GONE:
                    self._version = 0
            pause = min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0**failures)
            failures = min(failures + 1, 8)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  spreads load

    def _apply(self, event_type: str, manifest: Manifest, changed: Callable[[Key], None]) -> None:
        self._version = int(manifest["metadata"]["resourceVersion"])
        if event_type != "BOOKMARK" and (owner := self._store.apply(event_type, manifest)) is not None:
            changed(owner)


def child_watches(cluster: Cluster, cache: Cache, namespace: str) -> tuple[ChildWatch, ChildWatch]:
    """Return the watches of the Jobs and pods of a namespace."""
    return (
        ChildWatch(cluster, JOB, cache.child_jobs, namespace),
        ChildWatch(cluster, POD, cache.pods, namespace),
    )
