"""The life of a job as a whole: its phase, its deadline, its time to live, and how many attempts keep their objects."""

from datetime import datetime

from posefleet_api.status import Phase, Status
from posefleet_operator import reasons
from posefleet_operator.cluster.objects import seconds_between
from posefleet_operator.plan import find_condition, is_true

#: The Jobs of this many attempts are kept, so that ``kubectl logs`` shows what happened.
KEPT_ATTEMPTS = 3


def phase_of(status: Status, attempt_exists: bool, suspend: bool) -> Phase:
    """Return the phase of a job that has not finished.

    Args:
        status: the status with its conditions up to date.
        attempt_exists: whether there is an attempt without an outcome.
        suspend: ``spec.suspend``.
    """
    conditions = status.conditions
    if suspend and is_true(conditions, "Suspended"):
        return "Suspended"
    running, prepared = find_condition(conditions, "Running"), find_condition(conditions, "Prepared")
    if attempt_exists:
        if is_true(conditions, "Running"):
            return "Running"
        return "Queued" if running is not None and running.reason == reasons.WAITING_FOR_QUEUE.name else "Starting"
    if running is not None and running.reason == reasons.BACKING_OFF.name:
        return "BackingOff"
    if prepared is not None and prepared.status != "True" and prepared.reason != reasons.NOT_STARTED.name:
        return "Preparing"
    return "Pending"


def seconds_until_deadline(start_time: str | None, active_deadline_seconds: int | None, now: datetime) -> float | None:
    """Return the seconds until the deadline, negative after it, or None if there is none.

    The time runs from the moment when the operator first saw the job. Neither a resume nor another attempt resets it.
    """
    if active_deadline_seconds is None or start_time is None:
        return None
    return active_deadline_seconds - seconds_between(start_time, now)


def seconds_to_live(completion_time: str | None, ttl_seconds: int | None, now: datetime) -> float | None:
    """Return the seconds until a finished job is to be deleted, 0 if that is now, or None if the job is kept."""
    if ttl_seconds is None or completion_time is None:
        return None
    return max(0.0, ttl_seconds - seconds_between(completion_time, now))


def number_to_delete(starting: int) -> int | None:
    """Return the attempt, or try, whose objects are deleted when number ``starting`` starts, or None."""
    return starting - KEPT_ATTEMPTS if starting > KEPT_ATTEMPTS else None
