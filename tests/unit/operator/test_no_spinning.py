"""Preemptions that achieve nothing, of which there may be any number, and how often gangs are created for them."""

from itertools import pairwise

import pytest

from posefleet_api.outcomes import TerminationMessage
from posefleet_api.status import Progress
from posefleet_operator.cluster.objects import from_timestamp
from posefleet_operator.policies.attempts import MIN_PAUSE_SECONDS, with_jitter
from unit.operator.builders import JobBuilder, a_report
from unit.operator.world import World


def with_running_gang(uid: str = "uid-1") -> World:
    """A world with the shortest pauses that the API allows, in which the first gang runs."""
    world = World.of(JobBuilder(uid=uid).with_policy(backoffSeconds=1))
    world.settle()
    world.run_pods()
    world.end_all(0)
    world.settle()
    world.run_pods()
    world.settle()
    return world


def starts_within(seconds: int, exit_code: int, said: str = "", uid: str = "uid-1") -> list[float]:
    """Preempt every gang as soon as it runs, wake the operator four times a second, and return when gangs started."""
    world = with_running_gang(uid)
    began = world.now
    for _ in range(seconds * 4):
        number = world.status.current_attempt or 0
        if world.running_pods():
            world.run_pods()
            world.report = a_report(number, 1)
            world.settle()
            world.end_all(exit_code, said)
        world.settle(0.25)
        world.finish_deletions()
    started = (from_timestamp(attempt.start_time) for attempt in world.status.attempts)
    return [(moment - began).total_seconds() for moment in started if moment is not None]


#: Rank 0 was asked to stop after its first step and before any checkpoint, so that the next attempt repeats this step.
AFTER_ONE_STEP = TerminationMessage(
    reason="Preempted", start_step=0, progress=Progress(stage="train", step=1, steps=100)
).encode().decode()  # fmt: skip


@pytest.mark.parametrize(("exit_code", "said"), [(75, AFTER_ONE_STEP), (75, ""), (69, "")])
def test_preemptions_that_achieve_nothing_start_few_gangs_however_often_the_operator_is_woken(
    exit_code: int, said: str
) -> None:
    starts = starts_within(60, exit_code, said)

    assert len(starts) <= 7
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert pauses == sorted(pauses)
    assert min(pauses) >= MIN_PAUSE_SECONDS - 1


def test_jobs_that_were_preempted_together_do_not_return_together() -> None:
    pauses = {with_jitter(100, f"uid-{number}", 1) for number in range(50)}

    assert len(pauses) == 50
    assert 100 <= min(pauses) < 102
    assert 108 < max(pauses) <= 110


def test_the_jitter_of_a_pause_is_always_the_same() -> None:
    assert with_jitter(100, "uid-1", 1) == with_jitter(100, "uid-1", 1) != with_jitter(100, "uid-1", 2)
    assert with_jitter(0, "uid-1", 1) == 0
