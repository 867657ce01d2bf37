"""The life of a job as a whole: its phase, its deadline, its time to live and the leftovers that it keeps."""

from datetime import datetime

from posefleet_api.status import Phase, Status
from posefleet_operator.cluster.objects import seconds_between
from posefleet_operator.plan import find_condition, is_true


def phase_of(status: Status, attempt_exists: bool, suspend: bool) -> Phase:
    """The phase of a job that is not finished."""
    conditions = status.conditions
    if suspend and is_true(conditions, "Suspended"):
        return "Suspended"
    if attempt_exists:
        return "Running" if is_true(conditions, "Running") else "Queued"
    prepared = find_condition(conditions, "Prepared")
    if prepared is not None and prepared.status != "True":
        return "Preparing"
    return "Pending"


def seconds_left(start_time: str | None, active_deadline_seconds: int | None, now: datetime) -> float | None:
    """Seconds until the deadline, negative after it; None without one.

    It counts from the first sight of the job and never starts anew, neither at a resume nor at another attempt.
    """
    if active_deadline_seconds is None or start_time is None:
        return None
    return active_deadline_seconds - seconds_between(start_time, now)


#: Attempts whose Jobs stay, so that ``kubectl logs`` shows what happened.
KEPT_ATTEMPTS = 3


def outdated_number(starting: int) -> int | None:
    """The attempt, or try, whose children go when number ``starting`` starts."""
    return starting - KEPT_ATTEMPTS if starting > KEPT_ATTEMPTS else None


def seconds_to_live(completion_time: str | None, ttl_seconds: int | None, now: datetime) -> float | None:
    """Seconds until a finished job is to be deleted, 0 if it is time; None if it stays."""
    if ttl_seconds is None or completion_time is None:
        return None
    return max(0.0, ttl_seconds - seconds_between(completion_time, now))
