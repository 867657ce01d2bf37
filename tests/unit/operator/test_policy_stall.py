"""When an attempt counts as stalled, and when nobody knows."""

from dataclasses import replace
from datetime import timedelta

import pytest

from posefleet_operator.policies.stall import StallCheck, check_stall, stalls_at
from unit.operator.builders import NOW, JobBuilder, a_job, a_pod, a_report, ago


def test_a_stall_counts_from_the_last_step_or_from_when_one_could_have_been_heard() -> None:
    assert stalls_at(ago(500), ago(400), ago(30), 60) == NOW + timedelta(seconds=30)
    assert stalls_at(ago(500), ago(10), None, 60) == NOW + timedelta(seconds=50)
    assert stalls_at(ago(20), None, None, 60) == NOW + timedelta(seconds=40)


def running_gang() -> JobBuilder:
    """Two nodes run since 300 s, and as long their progress has been polled."""
    job = a_job().with_gpus(1, nodes=2).with_policy(stallSeconds=60).running_attempt(1, started=300)
    return replace(job, polled_since=ago(300))


def check(job: JobBuilder) -> StallCheck:
    return check_stall(job.seen(), job.status.attempts[0], ago(300))


@pytest.mark.parametrize("seconds_ago", [0, 59])
def test_the_time_until_a_stall_counts_from_the_last_step(seconds_ago: float) -> None:
    assert check(running_gang().saying(a_report(1, 5, seconds_ago))) == StallCheck(seconds_left=60 - seconds_ago)


def test_an_attempt_is_stalled_as_soon_as_the_time_is_over() -> None:
    ending = check(running_gang().saying(a_report(1, 5, seconds_ago=60))).ending
    assert ending is not None
    assert (ending.outcome, ending.reason.name) == ("Stalled", "Stalled")
    assert ending.message.startswith("no step finished for 1m0s (failurePolicy.stallSeconds); ")


@pytest.mark.parametrize("job", [running_gang(), running_gang().saying(a_report(2, 5))])
def test_an_attempt_whose_own_progress_was_never_read_is_not_ended_and_rank_0_is_named(job: JobBuilder) -> None:
    job = replace(job, pods=job.pods[::-1])
    unknown = check(job)
    assert (unknown.seconds_left, unknown.ending) == (0.0, None)
    assert unknown.unknown.startswith("for 1m0s the operator has read no progress that it understands from port ")
    assert " of pod reaching-a1-0-x (10.0.0.9); " in unknown.unknown


def test_an_attempt_that_nobody_hears_and_whose_pods_nobody_sees_is_not_ended() -> None:
    assert " of rank 0; " in check(replace(running_gang(), pods=())).unknown


def test_a_silent_attempt_has_the_whole_time_once_more_after_its_last_pod_was_deleted() -> None:
    def deleted(*seconds_ago: float) -> StallCheck:
        job = running_gang()
        for rank, seconds in enumerate(seconds_ago):
            job = job.with_pod(a_pod(job, 1, rank).running(300).deleted(seconds).manifest)
        return check(job)

    assert deleted(59) == StallCheck(seconds_left=1)
    assert deleted(500, 20) == StallCheck(seconds_left=40)
    ending = deleted(60).ending
    assert ending is not None
    assert (ending.outcome, ending.reason.name) == ("Preempted", "PodDeleted")


def test_a_deletion_gives_an_attempt_that_is_heard_no_more_time() -> None:
    job = running_gang().saying(a_report(1, 5, seconds_ago=70))
    ending = check(job.with_pod(a_pod(job).running(300).deleted(5).manifest)).ending
    assert ending is not None
    assert ending.reason.name == "PodDeleted"
