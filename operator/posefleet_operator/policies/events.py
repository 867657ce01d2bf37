"""The turns of a job's life, from the difference between two statuses.

A event's identity is made of what is written in the status alone, so that an operator that was killed between
telling a event and writing the status tells it again under the same name, and the API server keeps one.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta

from posefleet_api.constants import API_VERSION, KIND
from posefleet_api.status import Attempt, ConditionType, Status
from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.observation import Observation
from posefleet_operator.plan import JobEvent, find_condition
from posefleet_operator.policies.stall import PROGRESS_UNKNOWN
from posefleet_operator.policies.waiting import TROUBLES

_STAGES = {"train": "Training", "predict": "Predicting", "report": "Reporting"}
_QUIET_PREPARE_REASONS = frozenset({"Preparing", "PodsStarting", "Prepared", "WaitingForQueue", "DataChanged"})
_TROUBLES = TROUBLES | {PROGRESS_UNKNOWN}


def events_between(old: Status, new: Status) -> list[JobEvent]:
    """What happened between two statuses, in the order of a job's life."""
    return [
        *_preparation(old, new),
        *_attempts(old, new),
        *_troubles(old, new),
        *_stages(old, new),
        *_suspension(old, new),
        *_finish(old, new),
    ]


def _preparation(old: Status, new: Status) -> Iterator[JobEvent]:
    tries = new.preparation.tries
    if tries > old.preparation.tries and not new.preparation.unreachable:
        yield JobEvent("Normal", "PrepareStarted", "the data are being checked and prepared", f"prepare-{tries}")
    before, after = find_condition(old.conditions, "Prepared"), find_condition(new.conditions, "Prepared")
    if after is None or (before is not None and before.reason == after.reason):
        return
    if after.status == "True":
        yield JobEvent("Normal", "Prepared", after.message, f"prepared-{tries}")
        for number, warning in enumerate(new.preparation.warnings):
            yield JobEvent("Warning", "DataWarning", warning, f"data-warning-{tries}-{number}")
    elif after.reason not in _QUIET_PREPARE_REASONS and not new.completion_time:  # else _finish tells it
        yield JobEvent("Warning", after.reason, after.message, f"not-prepared-{tries}-{after.reason}")


def _attempts(old: Status, new: Status) -> Iterator[JobEvent]:
    known = {attempt.number: attempt for attempt in old.attempts}
    for attempt in new.attempts:
        before, number = known.get(attempt.number), attempt.number
        if before is None:
            yield JobEvent("Normal", "AttemptStarted", f"attempt {number} started", f"started-{number}")
        if attempt.running_time and not (before and before.running_time):
            yield JobEvent("Normal", "AttemptRunning", f"all pods of attempt {number} run", f"running-{number}")
        heard = before.warnings if before else []
        for text in [text for text in attempt.warnings if text not in heard]:
            yield JobEvent("Warning", "TrainingWarning", text, f"warning-{number}-{attempt.warnings.index(text)}")
        if attempt.outcome and not (before and before.outcome):
            yield _ended(attempt)


def _ended(attempt: Attempt) -> JobEvent:
    bad = attempt.outcome not in {"Succeeded", "Preempted"}
    text = f"attempt {attempt.number}: {attempt.reason}: {attempt.message}"
    return JobEvent("Warning" if bad else "Normal", f"Attempt{attempt.outcome}", text, f"ended-{attempt.number}")


def _troubles(old: Status, new: Status) -> Iterator[JobEvent]:
    before, after = find_condition(old.conditions, "Running"), find_condition(new.conditions, "Running")
    if after is None or after.reason not in _TROUBLES or (before is not None and before.reason == after.reason):
        return
    yield JobEvent("Warning", after.reason, after.message, f"trouble-{new.attempt}-{after.reason}")


def _stages(old: Status, new: Status) -> Iterator[JobEvent]:
    stage = new.progress.stage if new.progress else ""
    if stage in _STAGES and stage != (old.progress.stage if old.progress else "") and not new.completion_time:
        text = f"attempt {new.attempt} has reached the stage {stage}"
        yield JobEvent("Normal", _STAGES[stage], text, f"stage-{new.attempt}-{stage}")


def _suspension(old: Status, new: Status) -> Iterator[JobEvent]:
    before, after = find_condition(old.conditions, "Suspended"), find_condition(new.conditions, "Suspended")
    was, now = before is not None and before.status == "True", after is not None and after.status == "True"
    if was == now or after is None:
        return
    since = before.last_transition_time if before else ""
    yield JobEvent("Normal", "Suspended" if now else "Resumed", after.message, f"suspended-{now}-{since}")


def _finish(old: Status, new: Status) -> Iterator[JobEvent]:
    if new.completion_time is None or old.completion_time is not None:
        return
    kind: ConditionType = "Succeeded" if new.phase == "Succeeded" else "Failed"
    condition = find_condition(new.conditions, kind)
    if condition is None:
        return
    reason = "Succeeded" if kind == "Succeeded" else condition.reason
    yield JobEvent(
        "Normal" if kind == "Succeeded" else "Warning", reason, condition.message,
        f"finished-{new.preparation.tries}-{new.attempt}",
    )  # fmt: skip


CONTROLLER = "posefleet.io/operator"
_MAX_NOTE = 1000


def event_manifest(seen: Observation, event: JobEvent, instance: str, order: int = 0) -> Manifest:
    """The event of a event. Its name follows from the job and the event: the API server keeps no second one.

    ``order`` is the event's place among those of the same reconcile; their times differ by it.
    """
    namespace, name = seen.key
    digest = hashlib.sha256(f"{seen.uid}/{event.identity}".encode()).hexdigest()[:16]
    note = event.message.encode()[:_MAX_NOTE].decode(errors="ignore")
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{digest}", "namespace": namespace},
        "eventTime": (seen.now + timedelta(microseconds=order)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": event.type,
        "reason": event.reason,
        "action": event.reason,
        "note": note or event.reason,
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": namespace,
            "name": name,
            "uid": seen.uid,
            "resourceVersion": str(seen.manifest["metadata"].get("resourceVersion", "")),
        },
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
    }
