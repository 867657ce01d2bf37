"""Entry of ``posefleet-operator``."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from posefleet_api.constants import PLURAL
from posefleet_operator.cluster.cache import Cache, Store
from posefleet_operator.cluster.client import Cluster
from posefleet_operator.cluster.election import Election
from posefleet_operator.cluster.handlers import Sink, watch
from posefleet_operator.cluster.objects import Key, Manifest
from posefleet_operator.cluster.resync import Resync
from posefleet_operator.controller import Controller
from posefleet_operator.executor import Executor
from posefleet_operator.settings import Settings, parse_settings
from posefleet_operator.telemetry.health import serving
from posefleet_operator.telemetry.logs import start_logging
from posefleet_operator.telemetry.metrics import Metrics
from posefleet_operator.trainer_defaults import InvalidDefaults


def main() -> None:
    """Run the operator until SIGTERM or SIGINT."""
    try:
        settings = parse_settings(sys.argv[1:], os.environ)
    except InvalidDefaults as mistake:
        sys.exit(f"posefleet-operator: {mistake}")
    start_logging(settings.log_format, settings.log_level)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_operator(settings, stop)


logger = logging.getLogger(__name__)
#: A loop that was not let run for so long, or a leader that takes so long to stop leading, has hung.
_HUNG_SECONDS = 60.0
_PAUSE_AFTER_FAILURE_SECONDS = 1.0


async def run_operator(settings: Settings, stop: asyncio.Event) -> None:
    """Run until ``stop`` is set. All that it starts has ended when it returns."""
    operator = Operator(settings)
    work = asyncio.create_task(operator.run())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        logger.info("stopped")


class Operator:
    """One process's worth of operator."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._last_beat = time.monotonic()
        self._ending_since = float("inf")
        self._state = "starting"

    async def run(self) -> None:
        """Lead whenever the Lease can be had, for ever."""
        cluster = await Cluster.connect(self._settings.kubeconfig)
        host, port = self._settings.http_host, self._settings.http_port
        try:
            async with serving(host, port, self._health, self._readiness, self._metrics.registry) as bound:
                logger.info("probes and metrics on port %d", bound)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._beat())
                    tasks.create_task(self._campaign(cluster))
        finally:
            await cluster.close()

    async def _campaign(self, cluster: Cluster) -> None:
        while True:
            election = Election(cluster, self._settings, time.monotonic)
            self._state, self._ending_since = "standby", float("inf")
            await election.acquire()
            try:
                await self._lead(cluster, election)
            except* Exception as group:
                for error in group.exceptions:
                    logger.error("leading failed and begins again: %r", error)
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
            finally:
                await election.release()

    async def _lead(self, cluster: Cluster, election: Election) -> None:
        """Act on jobs until the Lease is lost; then everything is forgotten."""
        cache = Cache()
        executor = Executor(cluster, cache, election.require, self._settings.identity)
        controller = Controller(cache, executor, self._settings, self._metrics, lambda: datetime.now(UTC))
        keeping = asyncio.create_task(election.keep())
        acting = asyncio.create_task(self._act(cluster, cache, controller))
        try:
            await asyncio.wait([keeping, acting], return_when=asyncio.FIRST_COMPLETED)
            if acting.done():
                await acting
        finally:
            self._ending_since = time.monotonic()
            for task in (keeping, acting):
                task.cancel()
            await asyncio.gather(keeping, acting, return_exceptions=True)
            await controller.stop()

    async def _act(self, cluster: Cluster, cache: Cache, controller: Controller) -> None:
        self._state = "reading the cluster"
        resync = Resync(cluster, cache, self._settings)
        await resync.initial_list()
        self._state = "leading"
        controller.enqueue_all()
        stores: dict[str, Store] = {
            PLURAL: cache.training_jobs,
            "jobs": cache.child_jobs,
            "pods": cache.pods,
        }

        def deliver(plural: str, kind: str | None, manifest: Manifest) -> None:
            if (key := stores[plural].apply(kind, manifest)) is not None:
                controller.enqueue(key)

        with self._metrics.leading(cache.training_jobs, controller.poller):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_follow(cluster, resync, deliver, controller.enqueue))
                tasks.create_task(controller.poller.run())

    async def _beat(self) -> None:
        while True:
            self._last_beat = time.monotonic()
            await asyncio.sleep(1)

    def _health(self) -> tuple[bool, str]:
        since = min(self._last_beat, self._ending_since)
        return time.monotonic() - since < _HUNG_SECONDS, self._state

    def _readiness(self) -> tuple[bool, str]:
        return self._state in {"leading", "standby"}, self._state


async def _follow(cluster: Cluster, resync: Resync, deliver: Sink, wake: Callable[[Key], None]) -> None:
    """Watch what can be read and compare it, for ever; the watch begins anew when other namespaces can be read."""
    while True:
        watching = asyncio.create_task(watch(resync.readable, deliver, cluster.credentials))
        try:
            await resync.run(watching, wake)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
