"""The phase: the whole status in one word."""

from posefleet_api.status import Phase, Status
from posefleet_operator.policies.conditions import find_condition, is_true


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
