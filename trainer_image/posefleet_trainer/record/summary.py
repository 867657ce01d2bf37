"""The file ``summary.json`` of an attempt: what it did and how it ended, as the launcher of node 0 knows it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import Field, ValidationError

from posefleet_api.base import ApiModel
from posefleet_api.job import PoseTrainingJob
from posefleet_api.outcomes import ExitCode, TerminationMessage
from posefleet_api.status import AttemptOutcome
from posefleet_trainer.record.facts import Facts

_OUTCOMES: dict[int, AttemptOutcome] = {
    ExitCode.SUCCEEDED: "Succeeded",
    ExitCode.PREEMPTED: "Preempted",
    ExitCode.STORE_UNREACHABLE: "Preempted",
    ExitCode.INVALID_INPUT: "InvalidInput",
}
_STEP_SECONDS = "posefleet_trainer_step_seconds"
_STORE_BYTES = "posefleet_trainer_store_bytes"


class Counted(ApiModel):
    """Totals of the metrics of node 0's ranks over this attempt."""

    step_seconds: dict[str, float] = {}
    """Mean seconds of a training step by part: data, forward, backward, optimizer."""
    steps_timed: int = 0
    """Steps that the means are taken over, summed over the ranks of the node."""
    store_bytes: dict[str, int] = {}
    """By direction: download, upload."""
    store_retries: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    decoded_frames: int = 0


class AttemptSummary(ApiModel):
    """The content of ``summary.json``. Fields that are not known are left out."""

    job: str
    namespace: str
    attempt: int
    outcome: Annotated[
        AttemptOutcome | Literal[""], Field(description="Empty while it runs; the operator may know better.")
    ] = ""
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    """Exit code of node 0."""
    start_time: str
    """When node 0 began."""
    end_time: str | None = None
    seconds: float | None = None
    nodes: int
    world_size: int
    gpus: list[str] = []
    """Names of the GPUs, by rank."""
    facts: Facts
    """What rank 0 noted. If it was killed, the last seconds are missing."""
    counted: Counted


@dataclass(frozen=True)
class AttemptStart:
    """What the launcher knows of its attempt when it starts the ranks."""

    seconds: float
    """Since 1970."""
    number: int
    nodes: int
    processes_per_node: int


@dataclass(frozen=True)
class AttemptEnd:
    """What the launcher knows of its attempt when the ranks have ended."""

    seconds: float
    """Since 1970."""
    exit_code: int
    message: TerminationMessage


def summarize(
    job: PoseTrainingJob, start: AttemptStart, end: AttemptEnd | None, facts_file: Path, metrics_folder: Path
) -> AttemptSummary:
    """Return the summary as of now.

    Args:
        job: the manifest.
        start: how the attempt was launched.
        end: None while the ranks run.
        facts_file: where rank 0 notes its facts; a missing or damaged file counts as empty.
        metrics_folder: where the ranks keep their metrics.
    """
    facts = _read_facts(facts_file)
    return AttemptSummary(
        job=job.metadata.name,
        namespace=job.metadata.namespace,
        attempt=start.number,
        outcome=_OUTCOMES.get(end.exit_code, "Failed") if end else "",
        reason=end.message.reason if end else "",
        message=end.message.message if end else "",
        exit_code=end.exit_code if end else None,
        start_time=_timestamp(start.seconds),
        end_time=_timestamp(end.seconds) if end else None,
        seconds=round(end.seconds - start.seconds, 3) if end else None,
        nodes=start.nodes,
        world_size=start.nodes * start.processes_per_node,
        gpus=[finding.gpu.name for finding in facts.preflight if finding.gpu is not None],
        facts=facts,
        counted=counted_in(metrics_folder),
    )


def counted_in(folder: Path) -> Counted:
    """Sum the metrics that ranks left in ``folder``, including those of ranks that were killed."""
    registry = CollectorRegistry(support_collectors_without_names=True)
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for family in registry.collect():
        for sample in family.samples:
            label = sample.labels.get("part") or sample.labels.get("direction") or ""
            values[sample.name][label] = sample.value
    counts = values[f"{_STEP_SECONDS}_count"]
    sums = values[f"{_STEP_SECONDS}_sum"]

    def total(name: str) -> int:
        return int(sum(values[f"posefleet_trainer_{name}_total"].values()))

    return Counted(
        step_seconds={part: round(sums[part] / count, 6) for part, count in counts.items() if count},
        steps_timed=int(counts.get("optimizer", 0)),
        store_bytes={way: int(value) for way, value in values[f"{_STORE_BYTES}_total"].items()},
        store_retries=total("store_retries"),
        cache_hits=total("cache_hits"),
        cache_misses=total("cache_misses"),
        decoded_frames=total("decoded_frames"),
    )


def _read_facts(path: Path) -> Facts:
    try:
        return Facts.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Facts()


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
