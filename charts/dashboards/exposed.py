"""Lists every metric that operator and trainer expose, read from the code that exposes it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from posefleet_operator.cluster.cache import Jobs
from posefleet_operator.cluster.progress_poller import ProgressPoller
from posefleet_operator.telemetry.job_series import JobSeries
from posefleet_operator.telemetry.metrics import Metrics

PREFIX = "posefleet_"


@dataclass(frozen=True)
class Exposed:
    """A metric as it appears in a scrape."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series."""
        return (
            tuple(self.name + part for part in ("_bucket", "_sum", "_count"))
            if self.kind == "histogram"
            else (self.name,)
        )

    @property
    def unit(self) -> str:
        """The unit of a value, derived from the suffix of the name."""
        name = self.name.removesuffix("_total")
        units = {
            "_timestamp_seconds": "Unix time, s",
            "_gpu_seconds": "GPU-seconds",
            "_seconds": "s",
            "_bytes": "bytes",
            "_bytes_per_second": "bytes/s",
            "_flops": "operations/s",
        }
        units |= {"_ratio": "0 to 1", "_pixels": "pixels", "_gpus": "GPUs", "_info": "always 1", "_frames": "frames"}
        return next((unit for ending, unit in units.items() if name.endswith(ending)), "")


def operator_metrics() -> list[Exposed]:
    """Return the metrics that a leading operator exposes, ordered by name."""
    jobs = CollectorRegistry()
    jobs.register(JobSeries(Jobs(), ProgressPoller(lambda key: None, time.monotonic, 1), str))
    return sorted([*_of(Metrics().registry), *_of(jobs)], key=lambda one: one.name)


def trainer_metrics() -> list[Exposed]:
    """Return the metrics that a trainer exposes, ordered by name."""
    import posefleet_trainer.telemetry.metrics  # noqa: F401  importing it registers them

    return _of(REGISTRY)


def _of(registry: CollectorRegistry) -> list[Exposed]:
    # The registry has no public method that returns the labels of metrics without samples.
    collectors = list(registry._collector_to_names)
    found = [exposed for collector in collectors for exposed in _read(collector)]
    return sorted((one for one in found if one.name.startswith(PREFIX)), key=lambda one: one.name)


def _read(collector: object) -> Iterator[Exposed]:
    if isinstance(collector, MetricWrapperBase):
        for family in collector.describe():
            yield _exposed(family.name, family.type, collector._labelnames, family.documentation)
    elif isinstance(collector, JobSeries):
        for family in collector.collect():
            yield _exposed(family.name, family.type, family._labelnames, family.documentation)  # type: ignore[attr-defined]


def _exposed(name: str, kind: str, labels: tuple[str, ...], text: str) -> Exposed:
    return Exposed(f"{name}_total" if kind == "counter" else name, kind, tuple(labels), text.rstrip("."))
