"""The health of the operator process, and the HTTP server for its probes and metrics."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

#: An event loop that has not run for this long, or a leader that takes this long to stop leading, hangs.
_HUNG_SECONDS = 60.0

#: Returns whether all is well, and what the process is doing.
Probe = Callable[[], tuple[bool, str]]


class Health:
    """What the liveness and readiness probes report of the operator process."""

    def __init__(self) -> None:
        self._state = "starting"
        self._last_beat = time.monotonic()
        self._stopping_since = float("inf")

    def enter(self, state: str) -> None:
        """Record what the process is doing."""
        self._state = state

    def stopping(self) -> None:
        """Record that the process has begun to stop leading, which must not take long."""
        self._stopping_since = time.monotonic()

    def stopped(self) -> None:
        """Record that the process has stopped leading."""
        self._stopping_since = float("inf")

    async def beat(self) -> None:
        """Record every second that the event loop runs."""
        while True:
            self._last_beat = time.monotonic()
            await asyncio.sleep(1)

    def liveness(self) -> tuple[bool, str]:
        """Return whether the process does not hang, and what it is doing."""
        since = min(self._last_beat, self._stopping_since)
        return time.monotonic() - since < _HUNG_SECONDS, self._state

    def readiness(self) -> tuple[bool, str]:
        """Return whether the process leads or stands by, and what it is doing."""
        return self._state in {"leading", "standby"}, self._state


@asynccontextmanager
async def serving(
    host: str, port: int, healthy: Probe, ready: Probe, exposition: Callable[[], bytes]
) -> AsyncIterator[int]:
    """Serve ``/healthz``, ``/readyz`` and ``/metrics``, and yield the port, which the system chooses for port 0."""

    async def metrics(_: web.Request) -> web.Response:
        # In a thread, because the series of thousands of jobs take long.
        text = await asyncio.to_thread(exposition)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", _answer(healthy))
    application.router.add_get("/readyz", _answer(ready))
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _answer(probe: Probe) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        well, text = probe()
        return web.Response(status=200 if well else 503, text=f"{text}\n")

    return handler
