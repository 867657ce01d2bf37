"""When an attempt counts as stalled, and when nobody knows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from posefleet_operator.cluster.polling import Polling, Target
from posefleet_operator.observation import Observation
from posefleet_operator.policies.stall import StallCheck, check_stall
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import NOW, JobBuilder, a_job, a_pod, a_report, ago
from unit.operator.plans import condition_of, message_of, reasons


def running_gang() -> JobBuilder:
    """Two nodes run since 300 s, and as long their progress has been polled."""
    job = a_job().with_gpus(1, nodes=2).with_policy(stallSeconds=60).running_attempt(1, started=300)
    return replace(job, polled_since=ago(300))


def check(seen: Observation) -> StallCheck:
    return check_stall(seen, seen.status.attempts[0])


def polled(**polling: float) -> Observation:
    """The gang after it has reported step 5, with what the polls have shown since."""
    return replace(running_gang().saying(a_report(1, 5)).seen(), polling=Polling(**polling))


@pytest.mark.parametrize("seconds_ago", [0, 50])
def test_the_time_until_a_stall_counts_from_the_last_step(seconds_ago: float) -> None:
    seen = running_gang().saying(a_report(1, 5, seconds_ago)).seen()
    assert check(seen) == StallCheck(seconds_left=60 - seconds_ago)


def test_an_attempt_is_stalled_as_soon_as_the_time_is_over() -> None:
    assert check(polled(same_step_for=59.9)).ending is None
    ending = check(polled(same_step_for=60)).ending
    assert ending is not None
    assert (ending.outcome, ending.reason.name) == ("Stalled", "Stalled")
    assert ending.message.startswith("no step finished for 1m0s (failurePolicy.stallSeconds); ")


def test_an_attempt_that_was_asked_only_once_is_not_stalled_however_long_ago_that_was() -> None:
    """Above 1,000 running jobs the polls of one come further apart than the smallest ``stallSeconds``."""
    target = Target(1, "10.0.0.9", polled_since=0)
    target.heard(a_report(1, 5), now=1)
    seen = replace(polled(), polling=target.polling(now=100))
    assert (check(seen).ending, check(seen).unknown) == (None, None)

    target.heard(a_report(1, 5), now=101)
    assert check(replace(seen, polling=target.polling(now=101))).ending is not None

    target.heard(a_report(1, 6, seconds_ago=-1), now=201)
    assert check(replace(seen, polling=target.polling(now=201))).ending is None


def test_an_attempt_that_cannot_be_asked_is_not_stalled_and_its_progress_is_unknown() -> None:
    job = replace(running_gang().saying(a_report(1, 5, seconds_ago=70)), silent_seconds=65)
    plan = reconcile(job.seen())

    assert plan.status.attempts[0].outcome is None
    assert condition_of(plan, "Running") == ("True", "ProgressUnknown")
    assert "ProgressUnknown" in reasons(plan)
    assert plan.requeue_after == 30


def test_a_jump_of_the_wall_clock_gives_no_verdict() -> None:
    seen = running_gang().saying(a_report(1, 5)).seen()
    for jump in (timedelta(days=1), timedelta(days=-1)):
        plan = reconcile(replace(seen, now=NOW + jump))
        assert plan.status.attempts[0].outcome is None
        assert condition_of(plan, "Running") == ("True", "AllPodsRun")


def test_a_process_that_accepts_connections_and_answers_none_is_stalled() -> None:
    assert check(polled(silent_for=70, mute_for=59)).ending is None
    ending = check(polled(silent_for=70, mute_for=60)).ending
    assert ending is not None
    assert ending.reason.name == "Stalled"
    assert ending.message.startswith("rank 0 accepted connections and answered none for 1m0s")


def test_a_process_that_never_answered_is_not_ended_for_its_silence() -> None:
    seen = replace(running_gang().seen(), polling=Polling(silent_for=70, mute_for=70))
    assert check(seen).ending is None


@pytest.mark.parametrize("silence", [{"same_step_for": 70.0}, {"silent_for": 70.0, "mute_for": 65.0}])
def test_many_attempts_that_fall_silent_at_once_are_not_ended(silence: dict[str, float]) -> None:
    def verdict(*fleet: float) -> str:
        found = check(replace(polled(), polling=Polling(**silence, since_advance=70, fleet=fleet)))
        return found.unknown[0].name if found.unknown is not None else "Stalled"

    assert verdict(70, 70, 70, 70) == verdict(1, 2, 3, 69, 70, 75, 90) == "ManySilent"
    assert verdict(70, 70, 70) == "Stalled"
    assert verdict(1, 2, 3, 4, 70, 70, 70, 70) == "Stalled"
    assert verdict(70, 500, 500, 600) == "Stalled"


def test_a_job_that_is_spared_because_many_fell_silent_says_so() -> None:
    plan = reconcile(polled(same_step_for=70, since_advance=70, fleet=(70, 70, 70, 70)))

    assert (plan.status.attempts[0].outcome, condition_of(plan, "Running")) == (None, ("True", "ManySilent"))
    assert "most running jobs ceased to advance at the same time" in message_of(plan, "Running")
    assert "ManySilent" in reasons(plan)


@pytest.mark.parametrize(("seconds_ago", "stalled"), [(59, False), (60, True)])
def test_a_gang_that_goes_on_after_its_rank_0_has_ended_is_stalled(seconds_ago: float, stalled: bool) -> None:
    job = running_gang().saying(a_report(1, 5, seconds_ago=100))
    seen = job.with_pod(a_pod(job, 1, 0).ended(0, seconds_ago=seconds_ago).manifest).seen()
    assert (check(replace(seen, polling=Polling(silent_for=50))).ending is not None) == stalled


def test_an_attempt_goes_on_after_another_rank_has_ended() -> None:
    job = running_gang().saying(a_report(1, 5, seconds_ago=100))
    seen = job.with_pod(a_pod(job, 1, 1).ended(0, seconds_ago=100).manifest).seen()
    assert check(replace(seen, polling=Polling(silent_for=50))).ending is None


def test_reports_of_a_former_attempt_show_no_stall() -> None:
    seen = running_gang().saying(a_report(2, 5)).seen()
    assert check(replace(seen, polling=Polling(same_step_for=70, mute_for=70))).ending is None


def test_progress_is_unknown_as_soon_as_the_time_is_over() -> None:
    assert check(polled(silent_for=59.9)).unknown is None
    assert check(polled(silent_for=60)).unknown is not None


def test_a_pod_that_was_removed_ends_an_attempt_even_when_many_fell_silent() -> None:
    job = running_gang().saying(a_report(1, 5))
    seen = job.with_pod(a_pod(job).running(300).deleted(5).manifest).seen()
    silent = Polling(same_step_for=70, since_advance=70, fleet=(70, 70, 70, 70))
    ending = check(replace(seen, polling=silent)).ending
    assert ending is not None
    assert ending.reason.name == "PodDeleted"


def test_a_silent_attempt_has_the_whole_time_once_more_after_its_last_pod_was_deleted() -> None:
    def deleted(*seconds_ago: float) -> StallCheck:
        job = running_gang()
        for rank, seconds in enumerate(seconds_ago):
            job = job.with_pod(a_pod(job, 1, rank).running(300).deleted(seconds).manifest)
        return check(job.seen())

    assert deleted(59) == StallCheck(seconds_left=1)
    assert deleted(500, 20) == StallCheck(seconds_left=40)
    ending = deleted(60).ending
    assert ending is not None
    assert (ending.outcome, ending.reason.name) == ("Preempted", "PodDeleted")


def test_a_deletion_gives_an_attempt_that_is_heard_no_more_time() -> None:
    job = running_gang().saying(a_report(1, 5, seconds_ago=70))
    ending = check(job.with_pod(a_pod(job).running(300).deleted(5).manifest).seen()).ending
    assert ending is not None
    assert ending.reason.name == "PodDeleted"


@pytest.mark.parametrize("job", [running_gang(), running_gang().saying(a_report(2, 5))])
def test_an_attempt_whose_own_progress_was_never_read_is_not_ended_and_rank_0_is_named(job: JobBuilder) -> None:
    job = replace(job, pods=job.pods[::-1])
    found = check(replace(job.seen(), polling=Polling(silent_for=300)))
    assert found.ending is None
    assert found.unknown is not None
    reason, message = found.unknown
    assert reason.name == "ProgressUnknown"
    assert message.startswith("for 1m0s the operator has read no progress that it understands from port ")
    assert " of pod reaching-a1-0-x (10.0.0.9); " in message


def test_an_attempt_that_nobody_hears_and_whose_pods_nobody_sees_is_not_ended() -> None:
    found = check(replace(running_gang(), pods=()).seen())
    assert found.unknown is not None
    assert " of rank 0; " in found.unknown[1]


def test_an_attempt_that_is_not_polled_is_looked_at_again() -> None:
    assert check(replace(running_gang(), polled_since=None).seen()) == StallCheck(seconds_left=60)
