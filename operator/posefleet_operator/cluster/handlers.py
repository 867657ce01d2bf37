"""The handlers that kopf calls for every event of a watch. They pass the events on and do nothing else.

When kopf stops, it ends every task of its event loop, and it takes over the signals of the process. It therefore runs
in a thread and an event loop of its own.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import kopf

from posefleet_api.constants import GROUP, LABEL_JOB, PLURAL, VERSION
from posefleet_operator.cluster.objects import Manifest

_CHUNK = 500
#: Receives the plural name of a resource, the type of an event (None for a listed object), and the object.
Sink = Callable[[str, str | None, Manifest], None]


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
        deliver(PLURAL, event["type"], dict(event["object"]))

    @kopf.on.event("batch", "v1", "jobs", labels={LABEL_JOB: kopf.PRESENT}, registry=registry)
    async def child_job_changed(event: kopf.RawEvent, **_: Any) -> None:
        deliver("jobs", event["type"], dict(event["object"]))

    @kopf.on.event("", "v1", "pods", labels={LABEL_JOB: kopf.PRESENT}, registry=registry)
    async def pod_changed(event: kopf.RawEvent, **_: Any) -> None:
        deliver("pods", event["type"], dict(event["object"]))

    return registry


def tune(settings: kopf.OperatorSettings) -> None:
    """Let kopf watch and do nothing else: no events, no peering, no status, and only labelled children."""
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.chunk_size = _CHUNK
    settings.watching.connect_timeout = 10
    settings.watching.server_timeout = 300
    settings.watching.label_selectors["jobs"] = LABEL_JOB
    settings.watching.label_selectors["pods"] = LABEL_JOB


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

    def hand_over(plural: str, kind: str | None, manifest: Manifest) -> None:
        if not stop.is_set():
            loop.call_soon_threadsafe(deliver, plural, kind, manifest)

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
