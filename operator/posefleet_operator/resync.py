"""Comparing the cache with the cluster.

A watch that was away for too long starts anew with a list, which says nothing of what was deleted meanwhile. So
everything is listed before the first reconcile, and from time to time again.
"""

import asyncio
import logging
from collections.abc import Callable

from posefleet_api.constants import LABEL_JOB
from posefleet_operator.cache import Cache
from posefleet_operator.children import Key
from posefleet_operator.client import ApiError, Cluster
from posefleet_operator.kinds import JOB, POD, TRAINING_JOB
from posefleet_operator.settings import Settings

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
#: The watches begin after the first list; what was deleted in between is found out so soon.
_FIRST_PAUSE_SECONDS = 15.0


async def compare(cluster: Cluster, cache: Cache, settings: Settings) -> set[Key]:
    """List everything and make the cache equal to it; gives the jobs concerned."""
    concerned: set[Key] = set()
    stores = ((TRAINING_JOB, cache.training_jobs), (JOB, cache.child_jobs), (POD, cache.pods))
    for kind, store in stores:
        selector = "" if kind == TRAINING_JOB else LABEL_JOB
        store.begin_listing()
        for namespace in settings.namespaces or ("",):
            manifests, version = await cluster.list(kind, namespace, selector)
            concerned |= store.take_list(manifests, version, namespace)
    return concerned


async def compare_first(cluster: Cluster, cache: Cache, settings: Settings) -> None:
    """The first comparison; without it nothing may be decided, so it is tried until it works."""
    said = ""
    while True:
        try:
            await compare(cluster, cache, settings)
            return
        except ApiError as error:
            if (hint := _hint(error)) != said:
                logger.warning("cannot read the cluster yet: %s", hint)
            said = hint
            await asyncio.sleep(_RETRY_SECONDS)


async def compare_again_and_again(
    cluster: Cluster, cache: Cache, settings: Settings, wake: Callable[[Key], None]
) -> None:
    """Compare for ever, and have a look at every job that is concerned."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        await asyncio.sleep(pause)
        pause = settings.resync_seconds
        try:
            for key in await compare(cluster, cache, settings):
                wake(key)
        except ApiError as error:
            logger.warning("cannot compare with the cluster: %s", error)
            pause = _RETRY_SECONDS


def _hint(error: ApiError) -> str:
    if error.status == 404:
        return f"{error.message.strip()}; is the CustomResourceDefinition installed? (`kubectl apply -f crds/`)"
    return str(error)
