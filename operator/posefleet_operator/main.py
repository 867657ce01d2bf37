"""The operator process: its entry point, its campaign for the Lease, and what it does while it leads."""

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
from posefleet_operator.cluster.queue_positions import QueuePositions
from posefleet_operator.cluster.resync import Resync
from posefleet_operator.controller import Controller
from posefleet_operator.executor import Executor
from posefleet_operator.settings import Settings, parse_settings
from posefleet_operator.telemetry.health import Health, serving
from posefleet_operator.telemetry.logs import start_logging
from posefleet_operator.telemetry.metrics import Metrics
from posefleet_operator.trainer_defaults import InvalidDefaults

logger = logging.getLogger(__name__)

_PAUSE_AFTER_FAILURE_SECONDS = 1.0


def main() -> None:
    """Run the operator until SIGTERM or SIGINT."""
    try:
        settings = parse_settings(sys.argv[1:], os.environ)
    except InvalidDefaults as mistake:
        sys.exit(f"posefleet-operator: {mistake}")
    start_logging(settings.log_format, settings.log_level)
    metrics = Metrics()
    with asyncio.Runner(loop_factory=metrics.longest_iteration.new_loop) as runner:
        runner.run(_run(settings, metrics))


async def _run(settings: Settings, metrics: Metrics) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_operator(settings, stop, metrics)


async def run_operator(settings: Settings, stop: asyncio.Event, metrics: Metrics | None = None) -> None:
    """Run until ``stop`` is set. Everything that this starts has ended when it returns."""
    operator = Operator(settings, metrics)
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
    """One operator process, which leads or stands by."""

    def __init__(self, settings: Settings, metrics: Metrics | None = None) -> None:
        """``metrics`` are its own unless they are given."""
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._health = Health()

    async def run(self) -> None:
        """Serve probes and metrics, and lead whenever the Lease is free, until cancelled."""
        cluster = await Cluster.connect(self._settings.kubeconfig, self._metrics.request_sent)
        host, port = self._settings.http_host, self._settings.http_port
        health, registry = self._health, self._metrics.registry
        try:
            async with serving(host, port, health.liveness, health.readiness, registry) as bound:
                logger.info("probes and metrics on port %d", bound)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(health.beat())
                    tasks.create_task(self._campaign(cluster))
        finally:
            await cluster.close()

    async def _campaign(self, cluster: Cluster) -> None:
        """Wait for the Lease, lead until it is lost, and start again."""
        while True:
            election = Election(cluster, self._settings, seconds_since_boot)
            self._health.enter("standby")
            self._health.stopped()
            await election.acquire()
            try:
                await self._lead(cluster, election)
            except* Exception as group:
                for error in group.exceptions:
                    logger.error("leading failed and starts again: %r", error)
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)
            finally:
                await election.release()

    async def _lead(self, cluster: Cluster, election: Election) -> None:
        """Reconcile jobs until the Lease is lost. The cache is discarded afterwards."""
        cache = Cache()
        fenced = cluster.while_leading(election.seconds_left)
        executor = Executor(fenced, cache, election.seconds_left, self._settings.identity)
        controller = Controller(cache, executor, self._settings, self._metrics, lambda: datetime.now(UTC))
        renewing = asyncio.create_task(election.renew_until_lost())
        controlling = asyncio.create_task(self._control(cluster, cache, controller))
        try:
            await asyncio.wait([renewing, controlling], return_when=asyncio.FIRST_COMPLETED)
            if controlling.done():
                await controlling
        finally:
            self._health.stopping()
            for task in (renewing, controlling):
                task.cancel()
            await asyncio.gather(renewing, controlling, return_exceptions=True)
            await controller.stop()

    async def _control(self, cluster: Cluster, cache: Cache, controller: Controller) -> None:
        """List the cluster, then watch it, poll the trainers, and enqueue every job that changes."""
        self._health.enter("reading the cluster")
        resync = Resync(cluster, cache, self._settings)
        await resync.initial_list()
        self._health.enter("leading")
        controller.enqueue_all()
        stores: dict[str, Store] = {
            PLURAL: cache.training_jobs,
            "jobs": cache.child_jobs,
            "pods": cache.pods,
        }

        def deliver(plural: str, event_type: str | None, manifest: Manifest) -> None:
            if (key := stores[plural].apply(event_type, manifest)) is not None:
                controller.enqueue(key)

        with self._metrics.leading(cache.training_jobs, controller.poller):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_follow(cluster, resync, deliver, controller.enqueue))
                tasks.create_task(controller.poller.run())
                if (seconds := self._settings.queue_position_seconds) > 0:
                    positions = QueuePositions(cluster, cache.training_jobs.all, controller.enqueue, seconds)
                    controller.queue_position = positions.of
                    tasks.create_task(positions.run())


def seconds_since_boot() -> float:
    """Return the seconds since the machine was started, with those in which it was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def _follow(cluster: Cluster, resync: Resync, deliver: Sink, enqueue: Callable[[Key], None]) -> None:
    """Watch and resync the readable namespaces, and start a new watch whenever other namespaces become readable."""
    while True:
        watching = asyncio.create_task(watch(resync.readable, deliver, cluster.credentials))
        try:
            await resync.run(watching, enqueue)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
