"""The handler that kopf calls for every event of a PoseTrainingJob. It passes the event on and does nothing else.

When kopf stops, it ends every task of its event loop, and it takes over the signals of the process. It therefore runs
in a thread and an event loop of its own.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import kopf

from posefleet_api.constants import GROUP, PLURAL, VERSION
from posefleet_operator.cluster.objects import Manifest

_CHUNK = 500
#: Receives the type of an event (None for a listed object), and the PoseTrainingJob.
Sink = Callable[[str | None, Manifest], None]


class WatchEnded(RuntimeError):
    """The watch of the cluster has ended."""


def registry_of_handlers(deliver: Sink, login: Callable[[], Awaitable[kopf.ConnectionInfo]]) -> kopf.OperatorRegistry:
    """Return the handlers in a registry of their own."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def started(settings: kopf.OperatorSettings, **_: Any) -> None:
        tune(settings)

    @kopf.on.login(registry=registry)
    async def logged_in(**_: Any) -> kopf.ConnectionInfo:
        return await login()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def training_job_changed(event: kopf.RawEvent, **_: Any) -> None:
        deliver(event["type"], dict(event["object"]))

    return registry


class NothingStored(kopf.DiffBaseStorage):
    """Spares kopf the comparison of each object with the one before, for which it would copy it several times.

    Only handlers of changes need it, and the operator has none: its handler receives every event.
    """

    def build(self, *, body: kopf.Body, extra_fields: object = None) -> kopf.BodyEssence:
        """Return that an object has nothing to compare."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return that nothing is known of an object."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


def tune(settings: kopf.OperatorSettings) -> None:
    """Let kopf watch and do nothing else: no events, no peering, no status."""
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = NothingStored()
    settings.watching.chunk_size = _CHUNK
    settings.watching.connect_timeout = 10
    settings.watching.server_timeout = 300


async def watch(
    namespaces: Sequence[str],
    deliver: Sink,
    login: Callable[[], Awaitable[kopf.ConnectionInfo]],
) -> None:
    """Pass events to ``deliver``, in the event loop of the caller, until cancelled. An empty namespace stands for all.

    Raises:
        WatchEnded: if kopf stops.
    """
    loop = asyncio.get_running_loop()
    stop = threading.Event()

    def hand_over(kind: str | None, manifest: Manifest) -> None:
        if not stop.is_set():
            loop.call_soon_threadsafe(deliver, kind, manifest)

    async def credentials() -> kopf.ConnectionInfo:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_awaited(login), loop))

    registry = registry_of_handlers(hand_over, credentials)
    thread = asyncio.create_task(asyncio.to_thread(_run_kopf, namespaces, registry, stop))
    try:
        await asyncio.shield(thread)
        raise WatchEnded("kopf has stopped watching")
    finally:
        stop.set()
        await asyncio.wait([thread])


async def _awaited(login: Callable[[], Awaitable[kopf.ConnectionInfo]]) -> kopf.ConnectionInfo:
    return await login()


def _run_kopf(namespaces: Sequence[str], registry: kopf.OperatorRegistry, stop: threading.Event) -> None:
    scope: dict[str, Any] = {"clusterwide": True} if "" in namespaces else {"namespaces": namespaces}
    asyncio.run(kopf.operator(registry=registry, stop_flag=stop, standalone=True, **scope))
