"""The life of a job as a whole: its phase, its deadline, its time to live, and how many attempts keep their objects."""

from posefleet_api.status import Phase, Status
from posefleet_operator import reasons
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


def seconds_until_deadline(elapsed_seconds: float, active_deadline_seconds: int | None) -> float | None:
    """Return the seconds until the deadline, negative after it, or None if there is none.

    The time runs from the moment when the operator first saw the job, ``elapsed_seconds`` ago. Neither a resume nor
    another attempt resets it.
    """
    return active_deadline_seconds - elapsed_seconds if active_deadline_seconds is not None else None


def seconds_to_live(elapsed_seconds: float, ttl_seconds: int | None) -> float | None:
    """Return the seconds until a job that finished ``elapsed_seconds`` ago is to be deleted, or None if it is kept."""
    return max(0.0, ttl_seconds - elapsed_seconds) if ttl_seconds is not None else None


def number_to_delete(starting: int) -> int | None:
    """Return the attempt, or try, whose objects are deleted when number ``starting`` starts, or None."""
    return starting - KEPT_ATTEMPTS if starting > KEPT_ATTEMPTS else None
