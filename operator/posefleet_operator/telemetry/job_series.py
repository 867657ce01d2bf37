"""The Prometheus gauges of jobs, made from the cache at each scrape, so that a job that is gone leaves no series.

Finished jobs are only counted by phase.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from posefleet_api.status import FINISHED_PHASES
from posefleet_operator.cluster.cache import Jobs
from posefleet_operator.cluster.objects import Key, Manifest, from_timestamp, key_of
from posefleet_operator.cluster.progress_poller import ProgressPoller

_SERIES = {
    "phase": ("The job's phase, always 1", ["phase"]),
    "requested_gpus": ("GPUs that the job holds or waits for", []),
    "allocated_gpus": ("GPUs that the job's running pods hold", []),
    "progress_ratio": ("Share of the current stage that is done", ["stage"]),
    "eta_seconds": ("Estimated time until the current stage is done", []),
    "attempts": ("Number of attempts so far", []),
    "failed_attempts": ("Number of attempts that count against failurePolicy.maxFailures", []),
    "attempt_start_timestamp_seconds": ("When the current attempt was created", ["attempt"]),
    "attempt_running_timestamp_seconds": ("When all pods of the current attempt ran", []),
    "attempt_end_timestamp_seconds": ("When the last attempt to end ended", ["attempt", "outcome", "reason"]),
    "last_step_timestamp_seconds": ("When the current attempt last advanced, or began to run", []),
    "stall_timeout_seconds": ("failurePolicy.stallSeconds: an attempt without a step for this long is ended", []),
    "last_checkpoint_timestamp_seconds": ("When the newest checkpoint was complete in the store", []),
    "checkpoint_interval_seconds": ("checkpoint.intervalSeconds: how often a checkpoint is written", []),
}
_COUNT_TEXT, _COUNT_LABELS = "Jobs by phase", ("namespace", "phase")
#: Stands among the lines of a job for its phase, and is no name of a series.
_PHASE = ""
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
#: The short name of a series, the values of its own labels, and its value.
_Value = tuple[str, list[str], float]


class _Source(NamedTuple):
    """What the lines of a job are made from."""

    job: bytes
    polled: tuple[int, str]


class JobSeries(Collector):
    """Collector that makes the gauges of all jobs at each scrape."""

    def __init__(self, jobs: Jobs, poller: ProgressPoller, known_reason: Callable[[str], str]) -> None:
        self._jobs = jobs
        self._poller = poller
        self._known_reason = known_reason
        #: By job, what its lines were made from, and the lines of each series.
        self._lines: dict[Key, tuple[_Source, dict[str, str]]] = {}

    def collect(self) -> Iterator[Metric]:
        """Yield the number of jobs by phase, and the gauges of each job that has not finished."""
        phases: Counter[tuple[str, str]] = Counter()
        families = {
            name: GaugeMetricFamily(f"posefleet_job_{name}", text, labels=["namespace", "training_job", *labels])
            for name, (text, labels) in _SERIES.items()
        }
        for manifest in self._jobs.all():
            key, phase = key_of(manifest), _phase(manifest)
            phases[key[0], phase] += 1
            if phase not in FINISHED_PHASES:
                for name, labels, value in self._values(key, manifest):
                    families[name].add_metric([*key, *labels], value)
        by_phase = GaugeMetricFamily("posefleet_jobs", _COUNT_TEXT, labels=_COUNT_LABELS)
        for (namespace, phase), count in phases.items():
            by_phase.add_metric([namespace, phase], count)
        yield from (by_phase, *families.values())

    def text(self) -> bytes:
        """Return what ``collect`` yields in Prometheus' text format.

        The lines of a job are made again only when it has changed. To make all of them at each scrape would cost more
        than everything else that the operator does while jobs run.
        """
        known, self._lines = self._lines, {}
        phases: Counter[tuple[str, str]] = Counter()
        parts: dict[str, list[str]] = {name: [] for name in _SERIES}
        for key in self._jobs:
            source = _Source(self._jobs.text(key), self._polled(key))
            cached = known.get(key)
            if cached is None or cached[0] != source:
                manifest = self._jobs.get(key)
                if manifest is None:
                    continue
                cached = source, self._made(key, manifest)
            self._lines[key] = cached
            phases[key[0], cached[1][_PHASE]] += 1
            for name, lines in cached[1].items():
                if name in parts:
                    parts[name].append(lines)
        counts = [_line("posefleet_jobs", _COUNT_LABELS, labels, count) for labels, count in phases.items()]
        families = [_family("posefleet_jobs", _COUNT_TEXT, counts)]
        families += [_family(f"posefleet_job_{name}", _SERIES[name][0], lines) for name, lines in parts.items()]
        return "".join(families).encode()

    def _made(self, key: Key, manifest: Manifest) -> dict[str, str]:
        """Return the lines of one job, by the short name of their series, and its phase."""
        lines = {_PHASE: _phase(manifest)}
        if lines[_PHASE] not in FINISHED_PHASES:
            for name, labels, value in self._values(key, manifest):
                names = ["namespace", "training_job", *_SERIES[name][1]]
                lines[name] = _line(f"posefleet_job_{name}", names, (*key, *labels), value)
        return lines

    def _polled(self, key: Key) -> tuple[int, str]:
        """Return what the values of a job take from polls."""
        target = self._poller.target(key)
        return (target.attempt, target.report.last_step_time) if target and target.report else (0, "")

    def _values(self, key: Key, manifest: Manifest) -> Iterator[_Value]:
        status, phase = manifest.get("status") or {}, _phase(manifest)
        gpus = status.get("gpus", 0)
        yield "phase", [phase], 1
        yield "requested_gpus", [], gpus if phase != "Suspended" else 0
        yield "allocated_gpus", [], gpus if phase == "Running" else 0
        yield "attempts", [], status.get("currentAttempt") or 0
        yield "failed_attempts", [], status.get("failedAttempts", 0)
        yield from _limits(manifest.get("spec") or {})
        yield from _progress(status.get("progress") or {})
        saved = from_timestamp((status.get("lastCheckpoint") or {}).get("time"))
        yield from _moment("last_checkpoint_timestamp_seconds", saved)
        yield from self._attempts(key, status.get("attempts") or [])

    def _attempts(self, key: Key, attempts: list[Manifest]) -> Iterator[_Value]:
        if ended := [attempt for attempt in attempts if attempt.get("outcome")]:
            last = ended[-1]
            labels = [str(last["number"]), last["outcome"], self._known_reason(last.get("reason", ""))]
            yield from _moment("attempt_end_timestamp_seconds", from_timestamp(last.get("endTime")), *labels)
        if not attempts or attempts[-1].get("outcome"):
            return
        present = attempts[-1]
        started = from_timestamp(present.get("startTime"))
        yield from _moment("attempt_start_timestamp_seconds", started, str(present["number"]))
        if (running := from_timestamp(present.get("runningTime"))) is not None:
            yield from _moment("attempt_running_timestamp_seconds", running)
            stepped = self._last_step(key, present["number"])
            yield from _moment("last_step_timestamp_seconds", max(running, stepped or running))

    def _last_step(self, key: Key, attempt: int) -> datetime | None:
        target = self._poller.target(key)
        if target is None or target.report is None or target.attempt != attempt:
            return None
        return from_timestamp(target.report.last_step_time)


def _line(name: str, labels: Sequence[str], values: Sequence[str], value: float) -> str:
    pairs = ",".join(
        f'{label}="{text.translate(_ESCAPED)}"' for label, text in sorted(zip(labels, values, strict=True))
    )
    return f"{name}{{{pairs}}} {floatToGoString(value)}\n"  # type: ignore[no-untyped-call]


def _family(name: str, text: str, lines: Sequence[str]) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} gauge\n{''.join(lines)}"


def _phase(manifest: Manifest) -> str:
    phase: str = (manifest.get("status") or {}).get("phase", "Pending")
    return phase


def _limits(spec: dict[str, Any]) -> Iterator[_Value]:
    stall_seconds = (spec.get("failurePolicy") or {}).get("stallSeconds")
    interval_seconds = (spec.get("checkpoint") or {}).get("intervalSeconds")
    if stall_seconds is not None:
        yield "stall_timeout_seconds", [], stall_seconds
    if interval_seconds is not None:
        yield "checkpoint_interval_seconds", [], interval_seconds


def _progress(progress: dict[str, Any]) -> Iterator[_Value]:
    if progress:
        yield "progress_ratio", [progress.get("stage", "prepare")], progress.get("percent", 0) / 100
    if progress.get("etaSeconds") is not None:
        yield "eta_seconds", [], progress["etaSeconds"]


def _moment(name: str, moment: datetime | None, *labels: str) -> Iterator[_Value]:
    if moment is not None:
        yield name, list(labels), moment.timestamp()
