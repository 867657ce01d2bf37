"""What the operator does itself is not reported as somebody else's doing."""

from dataclasses import replace

import pytest

from posefleet_operator.plan import find_condition
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import a_job
from unit.operator.test_lives import PREPARED, start
from unit.operator.world import World

#: The reasons for what somebody outside posefleet has done.
FROM_OUTSIDE = {"PodDeleted", "JobDeleted", "PodLost", "JobFailed"}


def preparing(**spec: object) -> World:
    """A job whose data are being prepared by a pod that runs."""
    world = World.of(a_job().with_spec(**spec))
    world.settle()
    world.run_pods()
    world.settle(5)
    return world


def condition(world: World, kind: str) -> tuple[str, str, str]:
    found = find_condition(world.status.conditions, kind)
    assert found is not None
    return found.status, found.reason, found.message


def assert_nobody_is_blamed(world: World) -> None:
    told = " ".join(event["note"] for event in world.events.values())
    assert (FROM_OUTSIDE & set(world.reasons), "from outside" in told) == (set(), False)


def test_a_suspension_during_the_preparation_is_reported_as_that_and_as_nothing_else() -> None:
    world = preparing()
    world.edit(suspend=True)
    world.settle(1)
    assert condition(world, "Suspended") == ("False", "Suspending", "the preparation is being stopped")

    world.finish_deletions()
    world.settle(1)
    assert world.status.phase == "Suspended"
    assert condition(world, "Suspended") == ("True", "Suspended", "set spec.suspend to false to go on")
    assert condition(world, "Prepared")[:2] == ("False", "Suspended")
    assert world.reasons == ["PrepareStarted", "Suspended"]

    world.edit(suspend=False)
    world.settle(1)
    assert world.reasons == ["PrepareStarted", "Suspended", "PrepareStarted", "Resumed"]
    assert (world.status.preparation.failures, world.status.preparation.unreachable) == (0, 0)
    assert condition(world, "Prepared")[:2] == ("False", "PodsStarting")


def test_a_resume_while_the_preparation_still_ends_blames_nobody() -> None:
    world = preparing()
    world.edit(suspend=True)
    world.settle(1)
    world.edit(suspend=False)
    world.settle(1)
    world.finish_deletions()
    world.settle(1)

    assert_nobody_is_blamed(world)
    assert ("Job", "reaching-prepare-2") in world.objects
    assert world.status.preparation.unreachable == 0


def test_a_preparation_that_succeeds_while_it_is_suspended_has_prepared_the_data() -> None:
    world = preparing()
    world.end_all(0, PREPARED)
    world.edit(suspend=True)
    world.settle(1)

    assert condition(world, "Prepared")[:2] == ("True", "Prepared")
    assert world.status.phase == "Suspended"


def test_a_failure_of_the_preparation_during_a_suspension_stays_a_failure() -> None:
    world = preparing()
    world.edit(suspend=True)
    world.settle(1)
    world.end_all(1, "boom")
    world.finish_deletions()
    world.settle(1)

    assert world.status.preparation.failures == 1


def test_a_try_that_is_replaced_after_an_edit_blames_nobody() -> None:
    world = preparing()
    world.edit(dataset={"uri": "s3://lab-data/other/"})
    world.settle(1)
    assert condition(world, "Prepared")[:2] == ("False", "DataChanged")

    world.finish_deletions()
    world.settle(1)
    assert world.reasons == ["PrepareStarted", "PrepareStarted"]
    assert_nobody_is_blamed(world)


def test_a_preparation_that_the_deadline_ends_says_so() -> None:
    world = preparing(activeDeadlineSeconds=100)
    world.settle(100)
    world.finish_deletions()
    world.settle(1)

    assert condition(world, "Prepared")[:2] == ("False", "DeadlineExceeded")
    assert world.reasons == ["PrepareStarted", "DeadlineExceeded"]
    assert not world.running_pods()


@pytest.mark.parametrize("spec", [{"suspend": True}, {"activeDeadlineSeconds": 60}])
def test_a_gang_that_the_operator_stops_blames_nobody(spec: dict[str, object]) -> None:
    world = World.of(a_job().with_gpus(1, nodes=2))
    start(world)
    world.edit(**spec)
    world.settle(100)
    world.finish_deletions()
    world.settle(1)

    assert_nobody_is_blamed(world)


def test_a_job_that_was_suspended_before_it_began_is_not_promised_a_checkpoint() -> None:
    world = World.of(a_job().with_spec(suspend=True))
    world.settle()

    assert "checkpoint" not in condition(world, "Suspended")[2]


def test_a_gang_that_was_deleted_for_a_suspension_that_could_not_be_written_was_suspended() -> None:
    job = a_job().with_spec(suspend=True).running_attempt(1).without_children()
    plan = reconcile(replace(job, pods=()).seen())

    assert (plan.status.attempts[0].outcome, plan.status.attempts[0].reason) == ("Preempted", "Suspended")
