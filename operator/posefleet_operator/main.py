"""The operator process: its entry point, its campaign for the Lease, and what it does while it leads."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from posefleet_operator.cluster.client import Cluster
from posefleet_operator.cluster.election import Election
from posefleet_operator.cluster.mirror import Mirror
from posefleet_operator.cluster.queue_positions import QueuePositions
from posefleet_operator.controller import Controller
from posefleet_operator.executor import Executor, prepare
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
    prepare()
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
        health, exposition = self._health, self._metrics.exposition
        try:
            async with serving(host, port, health.liveness, health.readiness, exposition) as bound:
                logger.info("probes and metrics on port %d", bound)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(health.beat())
                    tasks.create_task(self._campaign(cluster))
        finally:
            await cluster.close()

    async def _campaign(self, cluster: Cluster) -> None:
        """Watch the cluster, and lead whenever the Lease is free. What fails is started again."""
        while True:
            mirror = Mirror(cluster, self._settings)
            # Not a TaskGroup: that of Python 3.11 forgets a cancellation that comes while it ends because of an error.
            tasks = [asyncio.create_task(mirror.run()), asyncio.create_task(self._lead_when_elected(cluster, mirror))]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                await done.pop()
            except* Exception as group:
                for error in _errors(group):
                    logger.error("the operator failed and starts again: %r", error)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(_PAUSE_AFTER_FAILURE_SECONDS)

    async def _lead_when_elected(self, cluster: Cluster, mirror: Mirror) -> None:
        """Wait for the Lease, lead until it is lost, and wait again."""
        while True:
            election = Election(cluster, self._settings, seconds_since_boot)
            self._health.enter("standby")
            self._health.stopped()
            await election.acquire()
            try:
                await self._lead(cluster, election, mirror)
            finally:
                await election.release()

    async def _lead(self, cluster: Cluster, election: Election, mirror: Mirror) -> None:
        """Reconcile jobs until the Lease is lost."""
        fenced = cluster.while_leading(election.seconds_left)
        executor = Executor(fenced, mirror.cache, election.seconds_left, self._settings.identity)
        controller = Controller(mirror.cache, executor, self._settings, self._metrics, lambda: datetime.now(UTC))
        renewing = asyncio.create_task(election.renew_until_lost())
        controlling = asyncio.create_task(self._control(fenced, mirror, controller))
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

    async def _control(self, cluster: Cluster, mirror: Mirror, controller: Controller) -> None:
        """Wait until the cluster is known, then reconcile every job, and each one that changes, and poll trainers."""
        self._health.enter("reading the cluster")
        await mirror.complete.wait()
        self._health.enter("leading")
        with mirror.listening(controller.enqueue), self._metrics.leading(mirror.cache.training_jobs, controller.poller):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(controller.enqueue_all())
                tasks.create_task(controller.poller.run())
                if (seconds := self._settings.queue_position_seconds) > 0:
                    positions = QueuePositions(cluster, mirror.cache.training_jobs.all, controller.enqueue, seconds)
                    controller.queue_position = positions.of
                    tasks.create_task(positions.run())


def seconds_since_boot() -> float:
    """Return the seconds since the machine was started, with those in which it was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _errors(group: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    """Yield the errors of a group and of the groups in it."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _errors(error)
        else:
            yield error
