"""The turns of a job's life, from the difference between two statuses.

A turn's identity is made of what is written in the status alone, so that an operator that was killed between
telling a turn and writing the status tells it again under the same name, and the API server keeps one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from posefleet_api.status import Attempt, ConditionType, Status
from posefleet_operator.policies.conditions import find_condition
from posefleet_operator.policies.stall import PROGRESS_UNKNOWN
from posefleet_operator.policies.waiting import TROUBLES

_STAGES = {"train": "Training", "predict": "Predicting", "report": "Reporting"}
_QUIET_PREPARE_REASONS = frozenset({"Preparing", "PodsStarting", "Prepared", "WaitingForQueue", "DataChanged"})
_TROUBLES = TROUBLES | {PROGRESS_UNKNOWN}


@dataclass(frozen=True)
class Turn:
    """A turn of a job's life, told as a Kubernetes event.

    ``identity`` is the same whenever the same turn is derived again, so that none is told twice.
    """

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    identity: str


def turns(old: Status, new: Status) -> list[Turn]:
    """What happened between two statuses, in the order of a job's life."""
    return [
        *_preparation(old, new),
        *_attempts(old, new),
        *_troubles(old, new),
        *_stages(old, new),
        *_suspension(old, new),
        *_finish(old, new),
    ]


def _preparation(old: Status, new: Status) -> Iterator[Turn]:
    tries = new.preparation.tries
    if tries > old.preparation.tries and not new.preparation.unreachable:
        yield Turn("Normal", "PrepareStarted", "the data are being checked and prepared", f"prepare-{tries}")
    before, after = find_condition(old.conditions, "Prepared"), find_condition(new.conditions, "Prepared")
    if after is None or (before is not None and before.reason == after.reason):
        return
    if after.status == "True":
        yield Turn("Normal", "Prepared", after.message, f"prepared-{tries}")
        for number, warning in enumerate(new.preparation.warnings):
            yield Turn("Warning", "DataWarning", warning, f"data-warning-{tries}-{number}")
    elif after.reason not in _QUIET_PREPARE_REASONS and not new.completion_time:  # else _finish tells it
        yield Turn("Warning", after.reason, after.message, f"not-prepared-{tries}-{after.reason}")


def _attempts(old: Status, new: Status) -> Iterator[Turn]:
    known = {attempt.number: attempt for attempt in old.attempts}
    for attempt in new.attempts:
        before, number = known.get(attempt.number), attempt.number
        if before is None:
            yield Turn("Normal", "AttemptStarted", f"attempt {number} started", f"started-{number}")
        if attempt.running_time and not (before and before.running_time):
            yield Turn("Normal", "AttemptRunning", f"all pods of attempt {number} run", f"running-{number}")
        heard = before.warnings if before else []
        for text in [text for text in attempt.warnings if text not in heard]:
            yield Turn("Warning", "TrainingWarning", text, f"warning-{number}-{attempt.warnings.index(text)}")
        if attempt.outcome and not (before and before.outcome):
            yield _ended(attempt)


def _ended(attempt: Attempt) -> Turn:
    bad = attempt.outcome not in {"Succeeded", "Preempted"}
    text = f"attempt {attempt.number}: {attempt.reason}: {attempt.message}"
    return Turn("Warning" if bad else "Normal", f"Attempt{attempt.outcome}", text, f"ended-{attempt.number}")


def _troubles(old: Status, new: Status) -> Iterator[Turn]:
    before, after = find_condition(old.conditions, "Running"), find_condition(new.conditions, "Running")
    if after is None or after.reason not in _TROUBLES or (before is not None and before.reason == after.reason):
        return
    yield Turn("Warning", after.reason, after.message, f"trouble-{new.attempt}-{after.reason}")


def _stages(old: Status, new: Status) -> Iterator[Turn]:
    stage = new.progress.stage if new.progress else ""
    if stage in _STAGES and stage != (old.progress.stage if old.progress else "") and not new.completion_time:
        text = f"attempt {new.attempt} has reached the stage {stage}"
        yield Turn("Normal", _STAGES[stage], text, f"stage-{new.attempt}-{stage}")


def _suspension(old: Status, new: Status) -> Iterator[Turn]:
    before, after = find_condition(old.conditions, "Suspended"), find_condition(new.conditions, "Suspended")
    was, now = before is not None and before.status == "True", after is not None and after.status == "True"
    if was == now or after is None:
        return
    since = before.last_transition_time if before else ""
    yield Turn("Normal", "Suspended" if now else "Resumed", after.message, f"suspended-{now}-{since}")


def _finish(old: Status, new: Status) -> Iterator[Turn]:
    if new.completion_time is None or old.completion_time is not None:
        return
    kind: ConditionType = "Succeeded" if new.phase == "Succeeded" else "Failed"
    condition = find_condition(new.conditions, kind)
    if condition is None:
        return
    reason = "Succeeded" if kind == "Succeeded" else condition.reason
    yield Turn(
        "Normal" if kind == "Succeeded" else "Warning", reason, condition.message,
        f"finished-{new.preparation.tries}-{new.attempt}",
    )  # fmt: skip
