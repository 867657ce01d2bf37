"""The annotation posefleet.io/retry, which reopens a failed job from its last checkpoint."""

from typing import Any

import pytest

from posefleet_api.constants import ANNOTATION_RETRY
from posefleet_api.outcomes import TerminationMessage
from posefleet_api.status import Checkpoint, Progress
from posefleet_operator.plan import find_condition
from unit.operator.builders import JobBuilder, a_job
from unit.operator.world import World

CHECKPOINT = Checkpoint(uri="s3://c/7", step=7, time="2026-01-31T11:00:00Z", sha256="0" * 64)


def with_running_gang(job: JobBuilder | None = None, **spec: Any) -> World:
    world = World.of((job or a_job()).with_policy(maxFailures=2, backoffSeconds=600).with_spec(**spec))
    world.settle()
    world.run_pods()
    world.end_all(0)
    world.settle()
    run(world)
    return world


def run(world: World) -> None:
    world.settle()
    world.run_pods()
    world.settle(1)


def fail(world: World, step: int) -> None:
    said = TerminationMessage(
        reason="Error", message="boom", start_step=0, progress=Progress(stage="train", step=step, steps=100),
        last_checkpoint=CHECKPOINT,
    )  # fmt: skip
    world.end_all(1, said.encode().decode())
    world.settle(1)


def failed() -> World:
    """A world whose job has used up its budget of two failures."""
    world = with_running_gang()
    fail(world, 8)
    world.settle(700)
    run(world)
    fail(world, 9)
    assert world.status.phase == "Failed"
    return world


def conditions(world: World) -> dict[str, str]:
    return {condition.type: condition.status for condition in world.status.conditions}


def test_a_retry_reopens_a_failed_job_at_once_from_its_last_checkpoint() -> None:
    world = failed()
    world.annotate(ANNOTATION_RETRY, "monday")
    status = world.settle(1)

    assert status.retry_request == "monday"
    assert (status.current_attempt, status.phase) == (3, "Starting")
    assert [attempt.number for attempt in status.attempts] == [1, 2, 3]
    assert (status.failed_attempts, status.completion_time) == (0, None)
    assert status.last_checkpoint == CHECKPOINT
    assert conditions(world) | {"Failed": "False", "Finished": "False", "Succeeded": "False"} == conditions(world)
    assert world.reasons.count("Reopened") == 1
    assert world.most_gangs == 1


def test_a_reopened_job_has_its_whole_budget_and_its_pauses_start_again() -> None:
    world = failed()
    world.annotate(ANNOTATION_RETRY, "monday")
    world.settle(1)
    run(world)
    fail(world, 9)

    assert (world.status.phase, world.status.failed_attempts) == ("BackingOff", 1)
    world.settle(661)
    run(world)
    fail(world, 10)
    assert world.status.phase == "Failed"
    assert world.reasons.count("AttemptsExhausted") == 2


def test_the_same_value_reopens_a_job_once() -> None:
    world = failed()
    world.annotate(ANNOTATION_RETRY, "monday")
    world.settle(1)
    for step in (11, 12):
        run(world)
        fail(world, step)
        world.settle(700)
    assert world.status.phase == "Failed"
    world.settle(1)
    assert world.status.phase == "Failed"

    world.annotate(ANNOTATION_RETRY, "tuesday")
    assert world.settle(1).current_attempt == 5


def test_a_loss_that_was_not_finite_before_the_retry_has_its_second_chance_again() -> None:
    world = with_running_gang()
    said = TerminationMessage(reason="NonFiniteLoss", message="loss is NaN at step 12").encode().decode()
    for _ in range(2):
        world.end_all(1, said)
        world.settle(1)
        world.settle(700)
        run(world)
    assert world.status.phase == "Failed"
    world.annotate(ANNOTATION_RETRY, "1")
    run(world)
    world.end_all(1, said)

    assert world.settle(1).phase == "BackingOff"


def test_the_deadline_and_the_time_to_live_start_again() -> None:
    world = with_running_gang(activeDeadlineSeconds=1000, ttlSecondsAfterFinished=5000)
    world.settle(1000)
    world.finish_deletions()
    assert world.settle(4000).phase == "Failed"
    world.annotate(ANNOTATION_RETRY, "1")
    run(world)

    assert world.settle(900).phase == "Running"
    assert world.reconcile().delete == []
    assert world.settle(200).phase == "Failed"
    world.finish_deletions()
    world.settle()
    assert world.settle(4000).phase == "Failed"
    assert world.reconcile().delete == []


def test_a_preparation_that_failed_is_tried_again() -> None:
    world = World.of(a_job().with_policy(maxFailures=1))
    world.settle()
    world.run_pods()
    world.end_all(1)
    assert world.settle(1).phase == "Failed"
    world.annotate(ANNOTATION_RETRY, "1")
    status = world.settle(1)

    assert (status.phase, status.preparation.tries, status.preparation.failures) == ("Preparing", 2, 0)


def test_a_preparation_that_the_deadline_stopped_is_tried_again() -> None:
    world = World.of(a_job().with_spec(activeDeadlineSeconds=100))
    world.settle()
    world.run_pods()
    assert world.settle(100).phase == "Failed"
    world.settle()
    world.finish_deletions()
    world.annotate(ANNOTATION_RETRY, "1")
    status = world.settle(1)

    assert (status.phase, status.preparation.tries, status.preparation.unreachable) == ("Preparing", 2, 0)


def test_a_retry_of_a_job_whose_manifest_is_wrong_says_so() -> None:
    world = World.of(a_job().with_spec(storage=None))
    assert world.settle().phase == "Failed"
    world.annotate(ANNOTATION_RETRY, "1")
    status = world.settle(1)

    assert (status.phase, status.retry_request) == ("Failed", "1")
    (note,) = world.notes("RetryRefused")
    assert "spec.storage: needed for s3:// URIs" in note


def test_a_retry_together_with_a_correction_reopens_the_job() -> None:
    world = World.of(a_job().with_policy(maxFailures=1))
    world.settle()
    world.run_pods()
    world.end_all(78)
    assert world.settle(1).phase == "Failed"
    world.annotate(ANNOTATION_RETRY, "1")
    world.edit(dataset={"uri": "s3://other/"})
    status = world.settle(1)

    assert (status.phase, status.preparation.tries, status.retry_request) == ("Preparing", 2, "1")
    assert world.reasons.count("Reopened") == 1


def test_a_correction_does_not_forget_which_requests_were_handled() -> None:
    world = World.of(a_job().with_policy(maxFailures=1))
    world.annotate(ANNOTATION_RETRY, "1")
    world.settle()
    world.run_pods()
    world.end_all(78)
    world.settle(1)
    world.edit(dataset={"uri": "s3://other/"})

    assert world.settle(1).retry_request == "1"
    assert world.reasons.count("RetryIgnored") == 1


@pytest.mark.parametrize("succeeds", [False, True], ids=["running", "succeeded"])
def test_a_retry_of_a_job_that_has_not_failed_is_recorded_and_changes_nothing_else(succeeds: bool) -> None:
    world = with_running_gang()
    if succeeds:
        world.end_all(0, TerminationMessage(reason="Completed").encode().decode())
        world.settle(1)
    before = world.settle()
    world.annotate(ANNOTATION_RETRY, "1")
    after = world.settle(1)

    assert after.retry_request == "1"
    assert after.model_copy(update={"retry_request": ""}) == before
    (note,) = world.notes("RetryIgnored")
    assert ("has succeeded" if succeeds else "has not failed") in note
    world.settle(1)
    assert world.reasons.count("RetryIgnored") == 1


def test_a_suspended_job_is_reopened_suspended() -> None:
    world = failed()
    world.edit(suspend=True)
    world.annotate(ANNOTATION_RETRY, "1")
    status = world.settle(1)

    assert (status.phase, status.current_attempt) == ("Suspended", 2)


def test_a_long_value_is_handled_once() -> None:
    world = failed()
    world.annotate(ANNOTATION_RETRY, "x" * 1000)
    world.settle(1)
    run(world)

    assert len(world.status.retry_request) == 253
    assert world.reasons.count("Reopened") == 1
    condition = find_condition(world.status.conditions, "Failed")
    assert condition is not None
    assert "posefleet.io/retry" in condition.message
