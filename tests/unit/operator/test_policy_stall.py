"""When an attempt counts as stalled."""

from datetime import timedelta

from posefleet_operator.policies.stall import stalls_at
from unit.operator.builders import NOW, ago


def test_a_stall_counts_from_the_last_step_or_from_when_one_could_have_been_heard() -> None:
    assert stalls_at(ago(500), ago(400), ago(30), 60) == NOW + timedelta(seconds=30)
    assert stalls_at(ago(500), ago(10), None, 60) == NOW + timedelta(seconds=50)
    assert stalls_at(ago(20), None, None, 60) == NOW + timedelta(seconds=40)
