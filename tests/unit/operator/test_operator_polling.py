"""What polls of an attempt show."""

from posefleet_operator.cluster.polling import Polling, Target
from unit.operator.builders import a_report


def test_an_attempt_that_was_never_heard_has_been_silent_since_it_is_polled() -> None:
    target = Target(1, "", polled_since=10)
    assert target.polling(now=40) == Polling()
    target.unreachable(now=30)
    assert target.polling(now=40) == Polling(silent_for=20)


def test_answers_that_show_the_same_step_are_as_far_apart_as_they_came() -> None:
    target = Target(1, "", polled_since=0)
    assert target.heard(a_report(1, 5), now=10)
    assert not target.heard(a_report(1, 5), now=40)
    assert target.polling(now=50) == Polling(same_step_for=30, since_advance=40)
    assert target.heard(a_report(1, 6, seconds_ago=-3), now=60)
    assert target.polling(now=60) == Polling()


def test_an_attempt_that_has_not_been_asked_again_is_not_silent() -> None:
    target = Target(1, "", polled_since=0)
    target.heard(a_report(1, 5), now=10)
    assert target.polling(now=500).silent_for == 0
    target.unreachable(now=510)
    assert target.polling(now=520).silent_for == 500


def test_a_process_is_mute_until_it_answers_or_cannot_be_asked() -> None:
    target = Target(1, "", polled_since=0)
    target.mute(now=10)
    target.mute(now=40)
    assert (target.polling(now=45).mute_for, target.polling(now=45).silent_for) == (30, 40)
    target.unreachable(now=46)
    assert target.polling(now=46).mute_for == 0
    target.mute(now=50)
    target.heard(a_report(1, 5), now=60)
    assert target.polling(now=60).mute_for == 0
