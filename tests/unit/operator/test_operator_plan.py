"""Conditions of a status."""

from posefleet_api.status import Condition
from posefleet_operator.plan import with_condition


def condition(status: str, time: str) -> Condition:
    return Condition(type="Prepared", status=status, reason="Any", last_transition_time=time)


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    (kept,) = with_condition([condition("True", "then")], condition("True", "now"))
    (moved,) = with_condition([condition("True", "then")], condition("False", "now"))
    assert (kept.last_transition_time, moved.last_transition_time) == ("then", "now")
