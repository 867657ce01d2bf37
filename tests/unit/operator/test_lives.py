"""Whole lives of jobs, and the same lives with an operator that is killed after every single write."""

import itertools
from collections.abc import Callable
from contextlib import suppress

import pytest

from posefleet_api.outcomes import TerminationMessage
from posefleet_api.status import Status
from posefleet_operator import plan
from posefleet_operator.policies.attempts import gpu_seconds, queue_seconds
from unit.operator.builders import a_job, a_report
from unit.operator.world import Killed, World

COMPLETED = TerminationMessage(reason="Completed", message="done").encode().decode()
PREPARED = TerminationMessage(reason="Prepared", message="61 frames").encode().decode()


def start(world: World) -> None:
    """From apply until the gang of the first attempt runs."""
    world.settle()
    world.run_pods()
    world.settle(5)
    world.end_all(0, PREPARED)
    world.settle(1)
    world.run_pods()
    world.settle(1)


def go_on(world: World, seconds: float = 60) -> None:
    """Until the gang of the next attempt runs."""
    world.settle(1)
    world.finish_deletions()
    world.settle(1)
    world.settle(seconds)
    world.run_pods()
    world.settle(1)


def succeed(world: World) -> None:
    world.end_all(0, COMPLETED)
    world.settle(1)


def life_of_success(world: World) -> None:
    start(world)
    succeed(world)
    assert [a.outcome for a in world.status.attempts] == ["Succeeded"]


def life_with_crash(world: World) -> None:
    start(world)
    world.end_pod("reaching-a1-0", 1, "ValueError: boom")
    go_on(world)
    succeed(world)
    assert [a.outcome for a in world.status.attempts] == ["Failed", "Succeeded"]
    assert world.status.failed_attempts == 1


def life_with_preemptions(world: World) -> None:
    start(world)
    for _ in range(4):
        world.end_pod(world.running_pods()[-1], 75)
        world.end_all(75)
        go_on(world, 400)
    succeed(world)
    assert world.status.failed_attempts == 0
    assert len(world.status.attempts) == 5


def life_with_deleted_job(world: World) -> None:
    start(world)
    world.delete_job_of_attempt(1)
    go_on(world)
    succeed(world)
    assert [a.outcome for a in world.status.attempts] == ["Preempted", "Succeeded"]


def life_with_suspension(world: World) -> None:
    start(world)
    world.edit(suspend=True)
    world.settle(1)
    world.finish_deletions()
    world.settle(1)
    assert world.status.phase == "Suspended"
    world.edit(suspend=False)
    go_on(world, 1)
    succeed(world)
    assert [a.reason for a in world.status.attempts] == ["Suspended", "Completed"]


def life_with_stall(world: World) -> None:
    start(world)
    world.report = a_report(1, 5)
    world.settle(1000)
    world.report = None
    go_on(world)
    succeed(world)
    assert [a.outcome for a in world.status.attempts] == ["Stalled", "Succeeded"]


def life_until_the_budget_is_used_up(world: World) -> None:
    start(world)
    for _ in range(3):
        world.end_pod(world.running_pods()[0], 1, "boom")
        go_on(world, 200)
    assert world.status.phase == "Failed"
    assert world.status.failed_attempts == 3
    assert not world.running_pods()


def life_until_the_deadline(world: World) -> None:
    start(world)
    world.settle(5000)
    world.finish_deletions()
    world.settle(1)
    assert world.status.phase == "Failed"
    assert [a.outcome for a in world.status.attempts] == ["DeadlineExceeded"]
    assert not world.running_pods()


def life_with_a_store_that_is_away(world: World) -> None:
    world.settle()
    for _ in range(3):
        world.run_pods()
        world.settle(1)
        world.end_all(69)
        world.settle(1)
        world.settle(61)
    start(world)
    succeed(world)
    assert world.status.phase == "Succeeded"
    assert world.reasons.count("StoreUnreachable") == 1


LIVES = [
    life_of_success,
    life_with_crash,
    life_with_preemptions,
    life_with_deleted_job,
    life_with_suspension,
    life_with_stall,
    life_until_the_budget_is_used_up,
    life_with_a_store_that_is_away,
]


def a_world(nodes: int = 2, **spec: object) -> World:
    return World.of(a_job().with_gpus(1, nodes=nodes).with_spec(**spec))


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_a_life_ends_as_it_should_with_one_gang_at_a_time(life: Callable[[World], None]) -> None:
    world = a_world()
    life(world)
    assert world.status.phase in {"Succeeded", "Failed"}
    assert world.most_gangs == 1
    assert len(set(world.events)) == len(world.reasons)


def test_what_attempts_cost_is_not_forgotten_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_ATTEMPTS", 2)
    world = a_world()
    start(world)
    for _ in range(4):
        world.settle(100)
        world.end_all(75)
        world.settle(1)
        world.settle(400)
        world.settle(30)
        world.run_pods()
        world.settle(1)
    succeed(world)
    assert len(world.status.attempts) == 2
    assert world.status.gpu_seconds >= 4 * 100 * world.status.gpus
    assert world.status.queue_seconds == 4 * 30


def assert_costs(status: Status) -> None:
    """The status holds what its attempts cost, each counted once."""
    assert status.gpu_seconds == sum(gpu_seconds(attempt) for attempt in status.attempts)
    assert status.queue_seconds == sum(queue_seconds(attempt) for attempt in status.attempts)


def test_a_deadline_ends_a_life() -> None:
    life_until_the_deadline(a_world(activeDeadlineSeconds=600))


def test_a_crash_of_one_pod_is_not_taken_for_a_preemption_of_the_others() -> None:
    world = a_world(nodes=3)
    life_with_crash(world)
    assert "boom" in world.status.attempts[0].message


class CrashingWorld(World):
    """The operator is killed after each of its first ``kills`` writes, and another one takes over."""

    kill_after = 0
    killed = False

    def reconcile(self):  # the operator's own turn, killed once
        if not self.killed:
            self.writes_left = self.kill_after
        try:
            writes = self.writes_left
            plan = super().reconcile()
        except Killed:
            self.killed = True
            self.writes_left = float("inf")
            self.restart_operator()
            return super().reconcile()
        if not self.killed:
            self.kill_after -= int(writes - self.writes_left)
        return plan


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_a_kill_after_any_write_changes_neither_the_end_nor_the_events(life: Callable[[World], None]) -> None:
    undisturbed = a_world()
    life(undisturbed)
    for kill_after in itertools.count():
        world = CrashingWorld.of(a_job().with_gpus(1, nodes=2))
        world.kill_after = kill_after
        life(world)
        assert world.most_gangs == 1
        assert world.status.failed_attempts == undisturbed.status.failed_attempts
        assert [a.outcome for a in world.status.attempts] == [a.outcome for a in undisturbed.status.attempts]
        assert sorted(world.reasons) == sorted(undisturbed.reasons)
        assert_costs(world.status)
        if not world.killed:
            break
    assert kill_after > 10


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_a_restart_before_every_reconcile_changes_nothing(life: Callable[[World], None]) -> None:
    class ForgetfulWorld(World):
        def reconcile(self):
            self.restart_operator()
            return super().reconcile()

    world = ForgetfulWorld.of(a_job().with_gpus(1, nodes=2))
    life(world)
    assert world.most_gangs == 1


def test_a_gang_that_was_created_but_not_written_down_does_not_outlive_an_edit() -> None:
    """The pods may be edited for as long as they wait."""
    world = a_world()
    world.settle()
    world.run_pods()
    world.end_all(0, PREPARED)
    for writes in range(20):
        if ("Job", "reaching-a1") in world.objects:
            break
        world.writes_left = writes
        with suppress(Killed):
            world.settle()
    assert [attempt.job_uid for attempt in world.status.attempts] == [None]

    world.writes_left = float("inf")
    world.edit(resources={"nodes": 3, "gpusPerNode": 1})
    world.restart_operator()
    world.settle(1)
    assert [attempt.reason for attempt in world.status.attempts] == ["Replaced"]
    assert world.pods.keys() == {"reaching-prepare-1-0"}

    go_on(world, 1)
    succeed(world)
    assert [(a.number, a.outcome) for a in world.status.attempts] == [(1, "Preempted"), (2, "Succeeded")]
    assert world.objects["Job", "reaching-a2"]["spec"]["completions"] == 3
    assert world.most_gangs == 1
