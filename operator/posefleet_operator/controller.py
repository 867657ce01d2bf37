"""The work queue: one worker per job, which reconciles when something has changed, when time has passed, and again
after every error."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from posefleet_api.constants import COMPONENT_ATTEMPT
from posefleet_api.status import Status
from posefleet_operator.cluster.ages import Stopwatch, first_ages
from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.client import ApiError
from posefleet_operator.cluster.election import NotLeading
from posefleet_operator.cluster.objects import Key
from posefleet_operator.cluster.progress_poller import ProgressPoller
from posefleet_operator.executor import Executor, Refused
from posefleet_operator.observation import Observation, UnreadableManifest, UnreadableStatus, running_attempt
from posefleet_operator.plan import Plan
from posefleet_operator.policies.progress import only_progress_differs
from posefleet_operator.reconcile import reconcile
from posefleet_operator.settings import Settings
from posefleet_operator.telemetry.logs import job_context
from posefleet_operator.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 0.5, 30.0
_REFUSAL_SECONDS = 30.0
#: Number of reconciles that may run at the same time.
_AT_ONCE = 32


@dataclass
class _Worker:
    """What is kept about a job between two reconciles. Losing it does no harm."""

    queued: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    failures: int = 0
    refusal: str = ""
    refused_until: float = 0.0
    progress_written: float = float("-inf")
    stopwatch: Stopwatch = field(default_factory=Stopwatch)


class Controller:
    """The workers of all jobs."""

    def __init__(
        self,
        cache: Cache,
        executor: Executor,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], datetime],
        monotonic_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cache = cache
        self.poller = ProgressPoller(self.enqueue, monotonic_clock, settings.progress_seconds)
        self._executor = executor
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._monotonic_clock = monotonic_clock
        self._workers: dict[Key, _Worker] = {}
        self._limit = asyncio.Semaphore(_AT_ONCE)

    def enqueue(self, key: Key) -> None:
        """Have a job reconciled soon. A job that is already waiting for it is reconciled once."""
        if key not in self._workers:
            if self.cache.training_jobs.get(key) is None:
                self.cache.pods.forget(key)
                return
            worker = self._workers[key] = _Worker()
            worker.task = asyncio.create_task(self._work(key, worker), name=f"job {key[0]}/{key[1]}")
        self._workers[key].queued.set()

    def enqueue_all(self) -> None:
        """Have every job reconciled soon."""
        for key in self.cache.training_jobs:
            self.enqueue(key)

    async def stop(self) -> None:
        """End all workers, and abandon the requests that they are waiting for."""
        tasks = [worker.task for worker in self._workers.values() if worker.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, key: Key, worker: _Worker) -> None:
        with job_context(key):
            while self.cache.training_jobs.get(key) is not None:
                worker.queued.clear()
                seconds = await self._reconcile_or_retry(key, worker)
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await worker.queued.wait()
        self._workers.pop(key, None)
        self.poller.forget(key)
        self._metrics.forget(key)
        self.cache.pods.forget(key)

    async def _reconcile_or_retry(self, key: Key, worker: _Worker) -> float:
        """Reconcile a job, and return the seconds until the next reconcile. Errors are logged and retried."""
        try:
            async with self._limit:
                with self._metrics.reconcile_timer():
                    seconds = await self._reconcile(key, worker)
        except Refused as refusal:
            worker.refusal = str(refusal)
            worker.refused_until = asyncio.get_running_loop().time() + _REFUSAL_SECONDS
            self._metrics.reconcile_failed(refusal)
            logger.warning("%s", refusal)
            return 0.0
        except (ApiError, NotLeading, UnreadableStatus, UnreadableManifest) as error:
            return self._retry(worker, error)
        except Exception as error:
            logger.exception("reconcile failed")
            return self._retry(worker, error)
        worker.failures = 0
        return seconds

    def _retry(self, worker: _Worker, error: Exception) -> float:
        worker.failures += 1
        self._metrics.reconcile_failed(error)
        conflict = isinstance(error, ApiError) and error.status == 409
        seconds = min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** min(worker.failures - 1, 16))
        log = logger.debug if conflict and worker.failures < 5 else logger.warning
        log("retrying in %.1f s: %s", seconds, error)
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311  spreads load

    async def _reconcile(self, key: Key, worker: _Worker) -> float:
        seen = self._observe(key, worker)
        if seen is None:
            return 0.0
        plan = reconcile(seen)
        pause = self._pause_before_progress(seen.status, plan.status, worker)
        with job_context(key, plan.status.current_attempt):
            await self._executor.execute(seen, plan, write_status=pause <= 0)
        self._remember(seen, plan, worker, written=pause <= 0)
        if not seen.finished:
            self._metrics.reconcile_succeeded()
        resync = self._settings.resync_seconds * random.uniform(0.8, 1.2)  # noqa: S311  spreads load
        return min(
            resync, plan.requeue_after if plan.requeue_after is not None else resync, pause if pause > 0 else resync
        )

    def _observe(self, key: Key, worker: _Worker) -> Observation | None:
        manifest = self.cache.training_jobs.get(key)
        if manifest is None:
            return None
        if worker.refused_until <= asyncio.get_running_loop().time():
            worker.refusal = ""
        target, now = self.poller.target(key), self._clock()
        child_jobs, pods = self.cache.child_jobs.of(key), self.cache.pods.of(key)
        facts = first_ages(manifest.get("status") or {}, child_jobs, pods, now)
        return Observation(
            manifest=manifest,
            child_jobs=child_jobs,
            pods=pods,
            now=now,
            settings=self._settings,
            report=target.report if target is not None else None,
            polling=self.poller.polling(key),
            ages=worker.stopwatch.update(facts, self._monotonic_clock()),
            refusal=worker.refusal,
        )

    def _pause_before_progress(self, old: Status, new: Status, worker: _Worker) -> float:
        """Return how many seconds a write that changes only progress has to wait, to spare the API server."""
        if old == new or not only_progress_differs(old, new):
            return 0.0
        since = asyncio.get_running_loop().time() - worker.progress_written
        return self._settings.progress_seconds - since

    def _remember(self, seen: Observation, plan: Plan, worker: _Worker, written: bool) -> None:
        if written and plan.status != seen.status:
            worker.progress_written = asyncio.get_running_loop().time()
            self._metrics.status_written(seen, plan.status)
        attempt = running_attempt(plan.status)
        if attempt is None:
            self.poller.forget(seen.key)
        else:
            pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
            address = next((pod.ip for pod in pods if pod.rank == 0 and pod.running), "")
            self.poller.set_target(seen.key, attempt.number, address)
        ended = {a.number for a in plan.status.attempts if a.outcome}
        self.cache.pods.prune_tombstones(seen.key, lambda pod: _is_recorded(pod, seen, plan.status, ended))


def _is_recorded(pod: ChildPod, seen: Observation, status: Status, ended: set[int]) -> bool:
    if pod.identity.owner_uid != seen.uid:
        return True
    if pod.identity.component == COMPONENT_ATTEMPT:
        job = seen.attempt_job(pod.identity.number)
        return pod.identity.number in ended or (job is not None and job.suspended)
    preparation = status.preparation
    return pod.identity.number < preparation.tries or preparation.end_time is not None
