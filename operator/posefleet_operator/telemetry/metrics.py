"""The Prometheus metrics that count what the operator does and what happens to jobs.

The gauges that describe the current state of jobs are in ``job_series.py``. docs/metrics.md lists all metrics. The
label ``training_job`` names the PoseTrainingJob, because Prometheus uses ``job`` itself.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from importlib.metadata import version
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from posefleet_api.outcomes import TerminationReason
from posefleet_api.status import Attempt, Checkpoint, Status
from posefleet_operator.cluster.cache import Jobs
from posefleet_operator.cluster.client import ApiError
from posefleet_operator.cluster.election import NotLeading
from posefleet_operator.cluster.objects import Key, from_timestamp, seconds_between, to_timestamp
from posefleet_operator.cluster.progress_poller import ProgressPoller
from posefleet_operator.executor import NameConflict, Refused, StatusRefused
from posefleet_operator.observation import Observation
from posefleet_operator.policies.attempts import gpu_seconds, useful_share
from posefleet_operator.policies.progress import attempts_so_far
from posefleet_operator.reasons import reasons_by_outcome
from posefleet_operator.telemetry.job_series import JobSeries
from posefleet_operator.telemetry.loop_time import LongestIteration

_RECONCILE_BUCKETS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_WAIT_BUCKETS = (1, 3, 10, 20, 30, 60, 120, 300, 900, 1800, 3600, 14_400, 86_400)
_NAMED_ERRORS = (Refused, NameConflict, StatusRefused, NotLeading)
_NAMED_STATUSES = {0: "Unreachable", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 429: "Throttled"}
_RECONCILE_ERRORS = (
    *(error.__name__ for error in _NAMED_ERRORS),
    *_NAMED_STATUSES.values(),
    "ApiError",
    "Unexpected",
)
#: Anybody who evicts a pod may give any reason. Those that the registry does not know are counted as Other.
_KNOWN_REASONS = frozenset(get_args(TerminationReason)).union(*reasons_by_outcome().values())


class Metrics:
    """All metrics of one operator process."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        #: Everything but the series of jobs.
        self.registry = registry = CollectorRegistry()
        #: The series of jobs while this operator leads.
        self.job_series: JobSeries | None = None
        ProcessCollector(registry=registry)
        Gauge("posefleet_operator_info", "The operator's version", ["version"], registry=registry).labels(
            version("posefleet")
        ).set(1)
        self._leading = Gauge(
            "posefleet_operator_leading", "Whether this operator holds the Lease and leads (1) or stands by (0)",
            registry=registry,
        )  # fmt: skip
        self._reconcile = Histogram(
            "posefleet_reconcile_seconds", "Duration of one reconcile of a job",
            buckets=_RECONCILE_BUCKETS, registry=registry,
        )  # fmt: skip
        self._last_success = Gauge(
            "posefleet_reconcile_last_success_timestamp_seconds", "When an unfinished job was last reconciled",
            registry=registry,
        )  # fmt: skip
        self._errors = Counter(
            "posefleet_reconcile_errors", "Reconciles that failed and were retried", ["reason"], registry=registry
        )
        for reason in _RECONCILE_ERRORS:
            self._errors.labels(reason)
        self._queue_wait = Histogram(
            "posefleet_queue_wait_seconds", "From an attempt's creation until all its pods run", ["namespace"],
            buckets=_WAIT_BUCKETS, registry=registry,
        )  # fmt: skip
        self._first_step = Histogram(
            "posefleet_time_to_first_step_seconds", "From an attempt's creation to its first training step",
            ["namespace"], buckets=_WAIT_BUCKETS, registry=registry,
        )  # fmt: skip
        self._attempts = Counter(
            "posefleet_attempts", "Attempts that ended", ["namespace", "outcome", "reason"], registry=registry
        )
        self._requests = Counter(
            "posefleet_api_requests", "Requests to the API server, without watches", ["method", "resource"],
            registry=registry,
        )  # fmt: skip
        self.longest_iteration = LongestIteration()
        Gauge(
            "posefleet_event_loop_longest_iteration_seconds",
            "Longest time for which the operator's event loop did nothing else, since the start", registry=registry,
        ).set_function(lambda: self.longest_iteration.seconds)  # fmt: skip
        self._gpu_seconds = GpuSecondsCounter(registry)
        self._namespaces: set[str] = set()

    @contextmanager
    def leading(self, jobs: Jobs, poller: ProgressPoller) -> Iterator[None]:
        """Expose the jobs of the cache while this operator leads."""
        self.job_series = JobSeries(jobs, poller, known_reason)
        self._gpu_seconds.restart()
        self._leading.set(1)
        try:
            yield
        finally:
            self._leading.set(0)
            self.job_series = None

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        series = self.job_series
        return generate_latest(self.registry) + (series.text() if series is not None else b"")

    def reconcile_timer(self) -> AbstractContextManager[object]:
        """Return a context manager that measures the duration of one reconcile."""
        timer: AbstractContextManager[object] = self._reconcile.time()
        return timer

    def reconcile_succeeded(self) -> None:
        """Record the time of a successful reconcile of a job that has not finished."""
        self._last_success.set_to_current_time()

    def reconcile_failed(self, error: Exception) -> None:
        """Count a reconcile that failed and is retried."""
        self._errors.labels(_kind_of(error)).inc()

    def request_sent(self, method: str, resource: str) -> None:
        """Count a request to the API server."""
        self._requests.labels(method, resource).inc()

    def status_written(self, seen: Observation, new: Status) -> None:
        """Count what happened to a job between its old status and its new one."""
        self._initialize(seen.key[0])
        known = {attempt.number: attempt for attempt in attempts_so_far(seen.status)}
        for attempt in attempts_so_far(new):
            self._count(seen.key[0], known.get(attempt.number), attempt, seen.now)
        self._gpu_seconds.count(seen.key, seen.status, new, seen.now)

    def forget(self, key: Key) -> None:
        """Drop what is kept about a job that is gone."""
        self._gpu_seconds.forget(key)

    def _initialize(self, namespace: str) -> None:
        """Start the counters of a namespace at zero, because a rate misses the first increment of a new series."""
        if namespace in self._namespaces:
            return
        self._namespaces.add(namespace)
        self._queue_wait.labels(namespace)
        self._first_step.labels(namespace)
        for outcome, names in reasons_by_outcome().items():
            for reason in names:
                self._attempts.labels(namespace, outcome, reason)

    def _count(self, namespace: str, old: Attempt | None, attempt: Attempt, now: datetime) -> None:
        running = from_timestamp(attempt.running_time)
        if running is not None and (old is None or old.running_time is None):
            self._queue_wait.labels(namespace).observe(seconds_between(attempt.start_time, running))
        if old is not None and _has_stepped(attempt) and not _has_stepped(old):
            self._first_step.labels(namespace).observe(seconds_between(attempt.start_time, now))
        if attempt.outcome and not (old and old.outcome):
            self._attempts.labels(namespace, attempt.outcome, known_reason(attempt.reason or "")).inc()


def known_reason(reason: str) -> str:
    """Return ``reason`` if it is registered, otherwise ``Other``."""
    return reason if reason in _KNOWN_REASONS else "Other"


def _kind_of(error: Exception) -> str:
    if isinstance(error, ApiError):
        return _NAMED_STATUSES.get(error.status, "ApiError")
    return type(error).__name__ if isinstance(error, _NAMED_ERRORS) else "Unexpected"


def _has_stepped(attempt: Attempt) -> bool:
    return attempt.end_step is not None and attempt.end_step > (attempt.start_step or 0)


class GpuSecondsCounter:
    """Counters of the GPU-seconds that attempts held, and of those that were useful.

    They are counted while time passes, so that a rate over them is a number of GPUs, even during a long attempt.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._allocated = Counter(
            "posefleet_allocated_gpu_seconds", "GPU-seconds that attempts held", ["namespace"], registry=registry
        )
        self._useful = Counter(
            "posefleet_useful_gpu_seconds", "GPU-seconds of steps that no later attempt has to repeat", ["namespace"],
            registry=registry,
        )  # fmt: skip
        #: Held and useful GPU-seconds that have been counted, by job, attempt and its start time.
        self._counted: dict[tuple[Key, int, str], tuple[float, float]] = {}

    def count(self, key: Key, old: Status, new: Status, now: datetime) -> None:
        """Count the time that has passed since the last call for this job.

        Of an attempt that was running when this operator started to lead, only the time from now on is counted. The
        rest is in the counters of the operator that led before.
        """
        known = {attempt.number: attempt for attempt in attempts_so_far(old)}
        for attempt in attempts_so_far(new):
            before = known.get(attempt.number)
            if before is not None and before.outcome:
                continue
            start = _spent(before, old.last_checkpoint, now) if before is not None else (0.0, 0.0)
            this = key, attempt.number, attempt.start_time
            held, useful = self._counted.pop(this, start)
            held_now, useful_now = _spent(attempt, new.last_checkpoint, now)
            self._allocated.labels(key[0]).inc(max(0.0, held_now - held))
            self._useful.labels(key[0]).inc(max(0.0, useful_now - useful))
            if not attempt.outcome:
                self._counted[this] = max(held, held_now), max(useful, useful_now)

    def restart(self) -> None:
        """Start to lead: the time that passed while another operator led is in that one's counters."""
        self._counted.clear()

    def forget(self, key: Key) -> None:
        """Drop what is kept about a job that is gone."""
        for counted in [counted for counted in self._counted if counted[0] == key]:
            del self._counted[counted]


def _spent(attempt: Attempt, checkpoint: Checkpoint | None, now: datetime) -> tuple[float, float]:
    """Return the GPU-seconds held, and the useful ones of them, up to the attempt's end or to now."""
    if attempt.end_time is None:
        attempt = attempt.model_copy(update={"end_time": to_timestamp(now)})
    held = gpu_seconds(attempt)
    return held, held * useful_share(attempt, checkpoint)
