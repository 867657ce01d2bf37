"""Deadline, time to live and kept attempts of a job."""

from posefleet_operator.policies.lifecycle import number_to_delete, seconds_to_live, seconds_until_deadline
from unit.operator.builders import NOW


def test_the_deadline_counts_from_the_first_sight_of_the_job() -> None:
    assert seconds_until_deadline("2026-01-31T11:59:00Z", 100, NOW) == 40
    assert seconds_until_deadline("2026-01-31T11:50:00Z", 100, NOW) == -500
    assert seconds_until_deadline("2026-01-31T11:50:00Z", None, NOW) is None


def test_three_attempts_are_kept() -> None:
    assert [number_to_delete(number) for number in (1, 3, 4, 7)] == [None, None, 1, 4]


def test_a_time_to_live_counts_from_the_end() -> None:
    assert seconds_to_live("2026-01-31T11:59:00Z", 100, NOW) == 40
    assert seconds_to_live("2026-01-31T11:00:00Z", 100, NOW) == 0
    assert seconds_to_live("2026-01-31T11:00:00Z", None, NOW) is None
