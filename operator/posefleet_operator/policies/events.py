"""The Kubernetes events of a job, derived from the difference between two statuses.

The identity of an event depends on the status alone. An operator that was killed between recording an event and
writing the status records it again under the same name, and the API server keeps one.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta

from posefleet_api.constants import API_VERSION, KIND
from posefleet_api.status import Attempt, ConditionType, Status
from posefleet_operator import reasons
from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.cluster.text import cut_to_bytes
from posefleet_operator.foreign_reasons import reason_named
from posefleet_operator.observation import Observation
from posefleet_operator.plan import JobEvent, find_condition
from posefleet_operator.reasons import Reason

REPORTING_CONTROLLER = "posefleet.io/operator"
#: The API server accepts 1,024 bytes.
_MAX_NOTE_BYTES = 1000
_ENDED_BY_AN_EDIT = frozenset({reasons.REFUSED, reasons.NAME_CONFLICT, reasons.NOT_UNDERSTOOD})
_STAGES: dict[str, Reason] = {
    "train": reasons.TRAINING,
    "predict": reasons.PREDICTING,
    "report": reasons.REPORTING,
}
_ATTEMPT_ENDED: dict[str | None, Reason] = {
    "Succeeded": reasons.ATTEMPT_SUCCEEDED,
    "Preempted": reasons.ATTEMPT_PREEMPTED,
    "InvalidInput": reasons.ATTEMPT_INVALID_INPUT,
    "Failed": reasons.ATTEMPT_FAILED,
    "Stalled": reasons.ATTEMPT_STALLED,
    "DeadlineExceeded": reasons.ATTEMPT_DEADLINE_EXCEEDED,
}


def events_between(old: Status, new: Status) -> list[JobEvent]:
    """Return what happened between two statuses, in the order of a job's life."""
    return [
        *_preparation(old, new),
        *_attempts(old, new),
        *_troubles(old, new),
        *_stages(old, new),
        *_suspension(old, new),
        *_edits(old, new),
        *_finish(old, new),
    ]


def event_manifest(seen: Observation, event: JobEvent, instance: str, order: int = 0) -> Manifest:
    """Return an ``events.k8s.io/v1`` Event whose name follows from the job and the event's identity.

    Args:
        seen: the job that the event is about.
        event: the event.
        instance: the operator process that records it.
        order: the event's place among those of the same reconcile, whose times differ by it.
    """
    namespace, name = seen.key
    digest = hashlib.sha256(f"{seen.uid}/{event.identity}".encode()).hexdigest()[:16]
    note = cut_to_bytes(event.message, _MAX_NOTE_BYTES)
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{digest}", "namespace": namespace},
        "eventTime": (seen.now + timedelta(microseconds=order)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": event.reason.severity,
        "reason": event.reason.name,
        "action": event.reason.name,
        "note": note or event.reason.name,
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": namespace,
            "name": name,
            "uid": seen.uid,
            "resourceVersion": str(seen.manifest["metadata"].get("resourceVersion", "")),
        },
        "reportingController": REPORTING_CONTROLLER,
        "reportingInstance": instance[:128],
    }


def _preparation(old: Status, new: Status) -> Iterator[JobEvent]:
    tries = new.preparation.tries
    if tries > old.preparation.tries and not new.preparation.unreachable:
        yield JobEvent(reasons.PREPARE_STARTED, "the data are being checked and prepared", f"prepare-{tries}")
    before, after = find_condition(old.conditions, "Prepared"), find_condition(new.conditions, "Prepared")
    if after is None or (before is not None and before.reason == after.reason):
        return
    reason = reason_named(after.reason)
    if after.status == "True":
        yield JobEvent(reasons.PREPARED, after.message, f"prepared-{tries}")
        for number, warning in enumerate(new.preparation.warnings):
            yield JobEvent(reasons.DATA_WARNING, warning, f"data-warning-{tries}-{number}")
    elif reason.severity == "Warning" and not new.completion_time:  # otherwise _finish reports it
        yield JobEvent(reason, after.message, f"not-prepared-{tries}-{reason}")


def _attempts(old: Status, new: Status) -> Iterator[JobEvent]:
    known = {attempt.number: attempt for attempt in old.attempts}
    for attempt in new.attempts:
        before, number = known.get(attempt.number), attempt.number
        if attempt.job_uid is not None and (before is None or before.job_uid is None):
            yield JobEvent(reasons.ATTEMPT_STARTED, f"attempt {number} started", f"started-{number}")
        if attempt.running_time and not (before and before.running_time):
            yield JobEvent(reasons.ATTEMPT_RUNNING, f"all pods of attempt {number} run", f"running-{number}")
        reported = before.warnings if before else []
        for text in [text for text in attempt.warnings if text not in reported]:
            identity = f"warning-{number}-{attempt.warnings.index(text)}"
            yield JobEvent(reasons.TRAINING_WARNING, text, identity)
        if attempt.outcome and not (before and before.outcome):
            yield _ended(attempt)


def _ended(attempt: Attempt) -> JobEvent:
    text = f"attempt {attempt.number}: {attempt.reason}: {attempt.message}"
    return JobEvent(_ATTEMPT_ENDED.get(attempt.outcome, reasons.ATTEMPT_FAILED), text, f"ended-{attempt.number}")


def _troubles(old: Status, new: Status) -> Iterator[JobEvent]:
    before, after = find_condition(old.conditions, "Running"), find_condition(new.conditions, "Running")
    if after is None:
        return
    reason = reason_named(after.reason)
    edited = before is not None and before.observed_generation != after.observed_generation
    if before is not None and before.reason == after.reason and not (edited and reason in _ENDED_BY_AN_EDIT):
        return
    if reason.needs_action:
        # An edit can end a refusal, and the same reason after it is another one.
        again = f"-{after.observed_generation}" if reason in _ENDED_BY_AN_EDIT else ""
        yield JobEvent(reason, after.message, f"trouble-{new.current_attempt}-{reason}{again}")


def _stages(old: Status, new: Status) -> Iterator[JobEvent]:
    stage = new.progress.stage if new.progress else None
    if stage in _STAGES and stage != (old.progress.stage if old.progress else None) and not new.completion_time:
        text = f"attempt {new.current_attempt} has reached the stage {stage}"
        yield JobEvent(_STAGES[stage], text, f"stage-{new.current_attempt}-{stage}")


def _suspension(old: Status, new: Status) -> Iterator[JobEvent]:
    before, after = find_condition(old.conditions, "Suspended"), find_condition(new.conditions, "Suspended")
    was, now = before is not None and before.status == "True", after is not None and after.status == "True"
    if was == now or after is None:
        return
    since = before.last_transition_time if before else ""
    yield JobEvent(reasons.SUSPENDED if now else reasons.RESUMED, after.message, f"suspended-{now}-{since}")


def _edits(old: Status, new: Status) -> Iterator[JobEvent]:
    before, after = find_condition(old.conditions, "UpToDate"), find_condition(new.conditions, "UpToDate")
    if after is None or after.status == "True" or (before is not None and before.message == after.message):
        return
    yield JobEvent(reasons.APPLIES_TO_NEXT_ATTEMPT, after.message, f"edit-{after.observed_generation}")


def _finish(old: Status, new: Status) -> Iterator[JobEvent]:
    if new.completion_time is None or old.completion_time is not None:
        return
    succeeded = new.phase == "Succeeded"
    kind: ConditionType = "Succeeded" if succeeded else "Failed"
    condition = find_condition(new.conditions, kind)
    if condition is None:
        return
    reason = reasons.SUCCEEDED if succeeded else reason_named(condition.reason)
    # A job that was reopened can fail again without a new try or attempt.
    reopened = f"-{new.retry_request}" if new.retry_request else ""
    identity = f"finished-{new.preparation.tries}-{new.current_attempt}{reopened}"
    yield JobEvent(reason, condition.message, identity)
