"""The work queue: one worker per job, which reconciles when something has changed, when time has passed, and again
after every error."""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from posefleet_api.constants import COMPONENT_ATTEMPT
from posefleet_api.outcomes import ProgressReport
from posefleet_api.status import Status
from posefleet_operator.cluster.ages import Stopwatch, first_ages
from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.client import ApiError
from posefleet_operator.cluster.election import NotLeading
from posefleet_operator.cluster.objects import Key
from posefleet_operator.cluster.progress_poller import ProgressPoller
from posefleet_operator.executor import Executor, Refused, StatusRefused
from posefleet_operator.observation import Observation, Refusal, running_attempt
from posefleet_operator.plan import Plan
from posefleet_operator.policies.progress import only_progress_differs
from posefleet_operator.policies.waiting import may_lack_pods
from posefleet_operator.reconcile import reconcile
from posefleet_operator.settings import Settings
from posefleet_operator.telemetry.logs import job_context
from posefleet_operator.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 0.5, 30.0
_FIRST_REFUSAL_SECONDS, _LAST_REFUSAL_SECONDS = 2.0, 30.0
#: Conflicts with other writers are common and are logged only when they do not end.
_CONFLICTS_TO_LOG = 5
#: The API server did not answer, or is not ready to.
_OUTAGE = frozenset({0, 503})
#: Number of reconciles that may run at the same time.
_AT_ONCE = 32


#: So many jobs are started at a time when this operator begins to lead.
_STARTED_AT_ONCE, _SECONDS_BETWEEN_STARTS = 20, 0.05
#: At most so many statuses are written in a second because of nothing but progress.
_PROGRESS_WRITES_PER_SECOND = 5.0
#: A write is not put off to the next poll for a fraction of the interval.
_NEARLY = 0.9
#: Writes that change only messages, such as the number of pods that run, are so many seconds apart.
_DETAILS_SECONDS = 1.0
_SECONDS_BETWEEN_QUESTIONS = 1.0


@dataclass(slots=True)
class _Worker:
    """What is kept about a job between two reconciles. Losing it does no harm."""

    queued: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    failures: int = 0
    refusal: Refusal | None = None
    refused_until: float = 0.0
    refused_generation: int = 0
    #: Number of refusals in a row.
    refusals: int = 0
    status_refusal: str = ""
    #: Seconds in which the API server wants no request about the job.
    hold_seconds: float = 0.0
    #: Whether the last reconcile wrote the status. One that had nothing to write has not shown that writes work again.
    wrote_status: bool = False
    #: The last failure that has been logged. The same is not logged again until a reconcile has written the status.
    logged: str = ""
    #: When its status was last written.
    progress_written: float = float("-inf")
    #: The report of its trainer that the last reconcile has seen.
    report: ProgressReport | None = None
    #: The uid of a Job, and why it had no pods when that was last asked.
    pod_refusal: tuple[str, str] = ("", "")
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def refused(self) -> bool:
        """Whether the next reconcile has a refusal to report."""
        return self.refusal is not None or bool(self.status_refusal)


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
        self.poller = ProgressPoller(self._report_changed, monotonic_clock, settings.progress_seconds)
        #: The place of a job in the queue of Kueue, or None.
        self.queue_position: Callable[[Key], int | None] = lambda _: None
        self._executor = executor
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._monotonic_clock = monotonic_clock
        self._workers: dict[Key, _Worker] = {}
        self._limit = asyncio.Semaphore(_AT_ONCE)
        #: Whether the last request to the API server got no answer.
        self._unreachable = False
        #: When it may next be asked why a Job has no pods.
        self._ask_next = 0.0

    def enqueue(self, key: Key) -> None:
        """Have a job reconciled soon. A job that is already waiting for it is reconciled once."""
        if key not in self._workers:
            if key not in self.cache.training_jobs:
                self.cache.pods.forget(key)
                return
            worker = self._workers[key] = _Worker()
            worker.task = asyncio.create_task(self._work(key, worker), name=f"job {key[0]}/{key[1]}")
        self._workers[key].queued.set()

    async def enqueue_all(self) -> None:
        """Have every job reconciled soon, a few at a time, so that those that change need not wait for all others."""
        for number, key in enumerate(self.cache.training_jobs, 1):
            if key not in self._workers:
                self.enqueue(key)
            if number % _STARTED_AT_ONCE == 0:
                await asyncio.sleep(_SECONDS_BETWEEN_STARTS)

    def _report_changed(self, key: Key) -> None:
        """Have a job reconciled whose trainer reports something new, unless that can only be a step not due yet."""
        worker, target = self._workers.get(key), self.poller.target(key)
        notable = worker is None or target is None or _is_notable(worker.report, target.report)
        due = worker is None or _now() - worker.progress_written >= self._progress_seconds * _NEARLY
        if notable or due:
            self.enqueue(key)

    @property
    def _progress_seconds(self) -> float:
        """Seconds between two writes of a job's progress, so that all jobs together do not write too often."""
        return max(self._settings.progress_seconds, len(self.poller) / _PROGRESS_WRITES_PER_SECOND)

    async def stop(self) -> None:
        """End all workers, and abandon the requests that they are waiting for."""
        tasks = [worker.task for worker in self._workers.values() if worker.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, key: Key, worker: _Worker) -> None:
        with job_context(key):
            while key in self.cache.training_jobs:
                worker.queued.clear()
                seconds = await self._reconcile_or_retry(key, worker)
                # Nothing shortens a pause that the API server has asked for.
                await asyncio.sleep(worker.hold_seconds)
                worker.hold_seconds = 0.0
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
        except (Refused, StatusRefused) as refusal:
            self._remember_refusal(key, worker, refusal)
            return 0.0
        except (ApiError, NotLeading) as error:
            return self._retry(worker, error)
        except Exception as error:
            if repr(error) != worker.logged:
                logger.exception("reconcile failed, and is tried again until it works")
            worker.logged = repr(error)
            return self._retry(worker, error)
        worker.failures = 0
        if worker.wrote_status and not worker.refused:
            worker.logged, worker.refusals = "", 0
        if self._unreachable:
            logger.info("the API server answers again")
            self._unreachable = False
        return seconds

    def _remember_refusal(self, key: Key, worker: _Worker, refused: Refused | StatusRefused) -> None:
        """Have the next reconcile report a refusal, and try again after a while or when the manifest is edited."""
        if isinstance(refused, Refused):
            worker.refusal = refused.refusal
        else:
            worker.status_refusal = str(refused)
        pause = min(_LAST_REFUSAL_SECONDS, _FIRST_REFUSAL_SECONDS * 2.0 ** min(worker.refusals, 16))
        worker.refusals += 1
        worker.refused_until = _now() + pause
        worker.refused_generation = self._generation(key)
        self._metrics.reconcile_failed(refused)
        _log_once(worker, str(refused))

    def _retry(self, worker: _Worker, error: Exception) -> float:
        """Count and log a failure, and return the seconds until the next try."""
        worker.failures += 1
        self._metrics.reconcile_failed(error)
        seconds = min(_LAST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2.0 ** min(worker.failures - 1, 16))
        if isinstance(error, ApiError):
            self._log_api_error(worker, error)
            worker.hold_seconds = error.retry_after_seconds
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311  spreads load

    def _log_api_error(self, worker: _Worker, error: ApiError) -> None:
        """Log an outage once for all jobs, and what the API server says against one job once for that job."""
        if error.status in _OUTAGE:
            if not self._unreachable:
                logger.warning("%s; all jobs are tried again until it answers", error.message)
            self._unreachable = True
        elif error.status == 409 and worker.failures < _CONFLICTS_TO_LOG:
            logger.debug("tried again: %s", error)
        else:
            _log_once(worker, f"tried again until it works: {error}")

    async def _reconcile(self, key: Key, worker: _Worker) -> float:
        seen = self._observe(key, worker)
        if seen is None:
            return 0.0
        if (job := seen.newest_job) is not None and may_lack_pods(job, seen.pods_of(job), seen.ages):
            seen = replace(seen, pod_refusal=await self._why_no_pods(key, worker, job))
        plan = reconcile(seen)
        pause = self._pause_before_details(seen.status, plan, worker)
        with job_context(key, plan.status.current_attempt):
            await self._executor.execute(seen, plan, write_status=pause <= 0)
        self._remember(seen, plan, worker, written=pause <= 0)
        if not seen.finished:
            self._metrics.reconcile_succeeded()
        written = worker.wrote_status = pause <= 0 and plan.status != seen.status
        if plan.create or plan.release or (written and not only_progress_differs(seen.status, plan.status)):
            return 0.0
        resync = self._settings.resync_seconds * random.uniform(0.8, 1.2)  # noqa: S311  spreads load
        if worker.refused:
            resync = min(resync, max(0.0, worker.refused_until - _now()))
        return min(
            resync, plan.requeue_after if plan.requeue_after is not None else resync, pause if pause > 0 else resync
        )

    async def _why_no_pods(self, key: Key, worker: _Worker, job: ChildJob) -> str:
        """Return why the Job has no pods. It is asked rarely, because the API server looks through all events."""
        now = _now()
        if now >= self._ask_next:
            self._ask_next = now + _SECONDS_BETWEEN_QUESTIONS
            worker.pod_refusal = (job.identity.uid, await self._executor.why_no_pods(key[0], job))
        asked, answer = worker.pod_refusal
        return answer if asked == job.identity.uid else ""

    def _observe(self, key: Key, worker: _Worker) -> Observation | None:
        manifest = self.cache.training_jobs.get(key)
        if manifest is None:
            return None
        edited = worker.refused_generation != int(manifest["metadata"].get("generation", 0))
        if edited or worker.refused_until <= _now():
            worker.refusal, worker.status_refusal = None, ""
        target, now = self.poller.target(key), self._clock()
        worker.report = target.report if target is not None else None
        child_jobs, pods = self.cache.child_jobs.of(key), self.cache.pods.of(key)
        facts = first_ages(manifest.get("status") or {}, child_jobs, pods, now)
        return Observation(
            manifest=manifest,
            child_jobs=child_jobs,
            pods=pods,
            now=now,
            settings=self._settings,
            report=worker.report,
            polling=self.poller.polling(key),
            ages=worker.stopwatch.update(facts, self._monotonic_clock()),
            refusal=worker.refusal,
            status_refusal=worker.status_refusal,
            queue_position=self.queue_position(key),
        )

    def _generation(self, key: Key) -> int:
        manifest = self.cache.training_jobs.get(key)
        return int(manifest["metadata"].get("generation", 0)) if manifest is not None else 0

    def _pause_before_details(self, old: Status, plan: Plan, worker: _Worker) -> float:
        """Return how many seconds a write that changes only progress or messages waits, to spare the API server."""
        new = plan.status
        if old == new:
            return 0.0
        since = _now() - worker.progress_written
        if only_progress_differs(old, new):
            return self._progress_seconds - since
        acts = plan.create or plan.release or plan.delete or plan.events
        return _DETAILS_SECONDS - since if not acts and _only_messages_differ(old, new) else 0.0

    def _remember(self, seen: Observation, plan: Plan, worker: _Worker, written: bool) -> None:
        if written and plan.status != seen.status:
            worker.progress_written = _now()
            self._metrics.status_written(seen, plan.status)
        attempt = running_attempt(plan.status)
        if attempt is None:
            self.poller.forget(seen.key)
        else:
            pods = seen.own_pods(COMPONENT_ATTEMPT, attempt.number)
            address = next((pod.ip for pod in pods if pod.rank == 0 and pod.running), "")
            self.poller.set_target(seen.key, attempt.number, address)
            self.poller.ask_for_checkpoint(seen.key, plan.checkpoint_request)
        ended = {a.number for a in plan.status.attempts if a.outcome}
        looked_at = {pod.identity.uid for pod in seen.pods if pod.gone} if written else set()
        self.cache.pods.prune_tombstones(seen.key, lambda pod: _is_recorded(pod, seen, plan.status, ended, looked_at))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_notable(old: ProgressReport | None, new: ProgressReport | None) -> bool:
    """Return whether a report differs from an earlier one in more than what every step changes."""
    if old is None or new is None:
        return old is not new
    before, now = ((r.attempt, r.progress.stage, r.checkpoint_request, r.warnings, r.start_step) for r in (old, new))
    return before != now


def _only_messages_differ(old: Status, new: Status) -> bool:
    """Return whether two statuses differ in nothing but messages of conditions and the nodes of attempts."""
    before, now = (
        status.model_copy(
            update={
                "conditions": [c.model_copy(update={"message": ""}) for c in status.conditions],
                "attempts": [a.model_copy(update={"nodes": []}) for a in status.attempts],
            }
        )
        for status in (old, new)
    )
    return before == now


def _log_once(worker: _Worker, text: str) -> None:
    """Log a failure of a job, unless it is the one that was logged last."""
    if text != worker.logged:
        logger.warning("%s", text)
    worker.logged = text


def _is_recorded(pod: ChildPod, seen: Observation, status: Status, ended: set[int], looked_at: set[str]) -> bool:
    if pod.identity.owner_uid != seen.uid:
        return True
    if pod.identity.component == COMPONENT_ATTEMPT:
        attempt = running_attempt(status)
        if attempt is None or attempt.job_uid != pod.identity.controller_uid:
            return pod.identity.number in ended
        job = seen.attempt_job(attempt.number)
        return job is not None and job.suspended and pod.identity.uid in looked_at
    preparation = status.preparation
    return pod.identity.number < preparation.tries or preparation.end_time is not None
