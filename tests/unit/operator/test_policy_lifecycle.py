"""Deadline, time to live and kept attempts of a job."""

import pytest

from posefleet_api.status import Condition, Status
from posefleet_operator.policies.lifecycle import number_to_delete, phase_of, seconds_to_live, seconds_until_deadline


def test_the_deadline_counts_from_the_first_sight_of_the_job() -> None:
    assert seconds_until_deadline(60, 100) == 40
    assert seconds_until_deadline(600, 100) == -500
    assert seconds_until_deadline(600, None) is None


def test_three_attempts_are_kept() -> None:
    assert [number_to_delete(number) for number in (1, 3, 4, 7)] == [None, None, 1, 4]


def test_a_time_to_live_counts_from_the_end() -> None:
    assert seconds_to_live(60, 100) == 40
    assert seconds_to_live(3600, 100) == 0
    assert seconds_to_live(0, 0) == 0
    assert seconds_to_live(3600, None) is None


def a_condition(kind: str, status: str) -> Condition:
    return Condition.model_validate(
        {"type": kind, "status": status, "reason": "Any", "lastTransitionTime": "2026-01-31T12:00:00Z"}
    )


@pytest.mark.parametrize(
    ("conditions", "attempt_exists", "suspend", "phase"),
    [
        ([], False, False, "Pending"),
        ([("Prepared", "False")], False, False, "Preparing"),
        ([("Prepared", "Unknown")], False, False, "Preparing"),
        ([("Prepared", "True")], False, False, "Pending"),
        ([("Prepared", "True"), ("Running", "False")], True, False, "Starting"),
        ([("Prepared", "True")], True, False, "Starting"),
        ([("Prepared", "True"), ("Running", "True")], True, False, "Running"),
        ([("Running", "True"), ("Suspended", "True")], True, True, "Suspended"),
        ([("Running", "True"), ("Suspended", "False")], True, True, "Running"),
        ([("Suspended", "True")], False, False, "Pending"),
        ([("Suspended", "True"), ("Prepared", "False")], False, False, "Preparing"),
    ],
)
def test_the_phase_follows_from_the_conditions(
    conditions: list[tuple[str, str]], attempt_exists: bool, suspend: bool, phase: str
) -> None:
    status = Status(conditions=[a_condition(*pair) for pair in conditions])
    assert phase_of(status, attempt_exists, suspend) == phase
