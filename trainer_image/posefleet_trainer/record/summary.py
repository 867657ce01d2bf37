"""``summary.json``: what one attempt did and how it ended, as node 0's launcher knows it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import Field, ValidationError

from posefleet_api.base import ApiModel
from posefleet_api.job import PoseTrainingJob
from posefleet_api.outcomes import ExitCode
from posefleet_api.status import AttemptOutcome
from posefleet_trainer.gang.launcher import RankEnd
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
    """What the ranks of node 0 counted in this attempt."""

    step_seconds: dict[str, float] = {}
    """Means by part: data, forward, backward, optimizer."""
    steps_timed: int = 0
    """By all ranks of the node together."""
    store_bytes: dict[str, int] = {}
    """By direction: download, upload."""
    store_retries: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    decoded_frames: int = 0


class AttemptSummary(ApiModel):
    """One attempt. What is not known is left out."""

    job: str
    namespace: str
    attempt: int
    outcome: Annotated[AttemptOutcome, Field(description="Empty while it runs; the operator may know better.")] = ""
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    """Of node 0."""
    start_time: str
    """When node 0 began."""
    end_time: str | None = None
    seconds: float | None = None
    nodes: int
    world_size: int
    gpus: list[str] = []
    """Their names, by rank."""
    facts: Facts
    """From rank 0, a few seconds old if it was killed."""
    counted: Counted


@dataclass(frozen=True)
class Frame:
    """What the launcher itself knows of its attempt; times in seconds since 1970."""

    began: float
    ended: float | None
    number: int
    nodes: int
    processes_per_node: int


def summarize(job: PoseTrainingJob, frame: Frame, verdict: RankEnd | None, folder: Path) -> AttemptSummary:
    """The summary as of now. ``verdict`` is None while the ranks run; ``folder`` is where they leave what they know."""
    facts = _facts(folder / "facts.json")
    message = verdict.message if verdict else None
    return AttemptSummary(
        job=job.metadata.name,
        namespace=job.metadata.namespace,
        attempt=frame.number,
        outcome=_OUTCOMES.get(verdict.exit_code, "Failed") if verdict else "",
        reason=message.reason if message else "",
        message=message.message if message else "",
        exit_code=verdict.exit_code if verdict else None,
        start_time=_timestamp(frame.began),
        end_time=None if frame.ended is None else _timestamp(frame.ended),
        seconds=None if frame.ended is None else round(frame.ended - frame.began, 3),
        nodes=frame.nodes,
        world_size=frame.nodes * frame.processes_per_node,
        gpus=[finding.gpu.name for finding in facts.preflight if finding.gpu is not None],
        facts=facts,
        counted=counted_in(folder),
    )


def counted_in(folder: Path) -> Counted:
    """The sum over the metrics that ranks left in ``folder``, those of killed ranks included."""
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


def _facts(path: Path) -> Facts:
    try:
        return Facts.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return Facts()


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
