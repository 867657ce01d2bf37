"""Prometheus metrics of the operator.

Jobs are counted at the moment of a scrape from what is in the cache, so a job that is gone leaves no series.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as CounterMetric
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from posefleet_api.status import FINISHED_PHASES, Attempt, Status
from posefleet_operator.cache import Jobs
from posefleet_operator.observation import Observation
from posefleet_operator.policies.usage import held_gpu_seconds, useful_share
from posefleet_operator.timestamps import from_timestamp, seconds_between

_RECONCILE_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
_WAIT_BUCKETS = (1, 2, 5, 10, 20, 60, 120, 300, 900, 3600, 14_400, 86_400)


class Metrics:
    """What happens, counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reconcile = Histogram(
            "posefleet_reconcile_seconds", "Deciding what is to be done about a job", buckets=_RECONCILE_BUCKETS,
            registry=self.registry,
        )  # fmt: skip
        self._errors = CounterMetric(
            "posefleet_reconcile_errors", "Reconciles that failed and were tried again", registry=self.registry
        )
        self._queue_wait = Histogram(
            "posefleet_queue_wait_seconds", "From an attempt's creation until all its pods run", ["namespace"],
            buckets=_WAIT_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._first_step = Histogram(
            "posefleet_time_to_first_step_seconds", "From an attempt's creation to its first training step",
            ["namespace"], buckets=_WAIT_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._attempts = CounterMetric(
            "posefleet_attempts", "Attempts that ended", ["namespace", "outcome"], registry=self.registry
        )
        self._allocated = CounterMetric(
            "posefleet_allocated_gpu_seconds", "GPU-seconds that ended attempts held", ["namespace"],
            registry=self.registry,
        )  # fmt: skip
        self._useful = CounterMetric(
            "posefleet_useful_gpu_seconds", "GPU-seconds whose steps no later attempt had to repeat", ["namespace"],
            registry=self.registry,
        )  # fmt: skip

    def show_jobs(self, jobs: Jobs) -> "JobsCollector":
        """Show the jobs of a cache from now on."""
        collector = JobsCollector(jobs)
        self.registry.register(collector)
        return collector

    def hide_jobs(self, collector: "JobsCollector") -> None:
        """Show them no longer: another operator leads."""
        self.registry.unregister(collector)

    def reconcile_timer(self) -> AbstractContextManager[object]:
        """Times what happens inside."""
        timer: AbstractContextManager[object] = self._reconcile.time()
        return timer

    def reconcile_failed(self) -> None:
        """Count a reconcile that is tried again."""
        self._errors.inc()

    def status_written(self, seen: Observation, new: Status) -> None:
        """Count what the difference between a job's old status and its new one tells."""
        known = {attempt.number: attempt for attempt in seen.status.attempts}
        for attempt in new.attempts:
            self._count(seen.key[0], known.get(attempt.number), attempt, new, seen.now)

    def _count(self, namespace: str, old: Attempt | None, attempt: Attempt, status: Status, now: datetime) -> None:
        running = from_timestamp(attempt.running_time)
        if running is not None and (old is None or old.running_time is None):
            self._queue_wait.labels(namespace).observe(seconds_between(attempt.start_time, running))
        if old is not None and _has_stepped(attempt) and not _has_stepped(old):
            self._first_step.labels(namespace).observe(seconds_between(attempt.start_time, now))
        if attempt.outcome and not (old and old.outcome):
            held = held_gpu_seconds(attempt)
            self._attempts.labels(namespace, attempt.outcome).inc()
            self._allocated.labels(namespace).inc(held)
            self._useful.labels(namespace).inc(held * useful_share(attempt, status.last_checkpoint))


class JobsCollector(Collector):
    """Gauges that are read from the cache when they are asked for."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        """Jobs by phase, and of every job that is not finished what a person would be woken for."""
        phases: Counter[tuple[str, str]] = Counter()
        gpus = GaugeMetricFamily("posefleet_job_gpus", "GPUs that a job holds or asks for", labels=["namespace", "job"])
        checkpoint = GaugeMetricFamily(
            "posefleet_job_last_checkpoint_timestamp_seconds", "When the newest checkpoint was complete",
            labels=["namespace", "job"],
        )  # fmt: skip
        for manifest in self._jobs.all():
            namespace, name = manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
            status = manifest.get("status") or {}
            phase = status.get("phase", "Pending")
            phases[namespace, phase] += 1
            if phase in FINISHED_PHASES:
                continue
            gpus.add_metric([namespace, name], status.get("gpus", 0))
            saved = from_timestamp((status.get("lastCheckpoint") or {}).get("time"))
            if saved is not None:
                checkpoint.add_metric([namespace, name], saved.timestamp())
        by_phase = GaugeMetricFamily("posefleet_jobs", "Jobs by phase", labels=["namespace", "phase"])
        for (namespace, phase), count in phases.items():
            by_phase.add_metric([namespace, phase], count)
        yield from (by_phase, gpus, checkpoint)


def _has_stepped(attempt: Attempt) -> bool:
    return attempt.end_step is not None and attempt.end_step > (attempt.start_step or 0)
