"""What follows a failure: the manifest's rules, the second chance of a NonFiniteLoss, and the same failure twice."""

from typing import Any

import pytest

from posefleet_api.outcomes import TerminationMessage, TerminationReason
from posefleet_api.status import Progress
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.plan import find_condition
from unit.operator.builders import a_job, a_report
from unit.operator.world import World


def with_running_gang(**policy: Any) -> World:
    return World.of(a_job().with_spec(failurePolicy={"backoffSeconds": 1, **policy})).bring_up()


def fail(
    world: World, reason: TerminationReason = "Error", message: str = "boom", step: int = 7, code: int = 1
) -> None:
    """The gang fails after it has trained up to ``step``, and the next one starts to run if one follows."""
    number = world.status.current_attempt or 0
    world.report = a_report(number, step).model_copy(update={"last_step_time": to_timestamp(world.now)})
    world.settle(1)
    said = TerminationMessage(
        reason=reason, message=message, start_step=0, progress=Progress(stage="train", step=step, steps=100)
    )
    world.end_all(code, said.encode().decode())
    world.report = None
    world.settle(1)
    world.settle(4000)
    world.run_pods()
    world.settle(1)


def failure_of(world: World) -> tuple[str, str]:
    """Reason and message of the condition Failed, which must be True."""
    condition = find_condition(world.status.conditions, "Failed")
    assert condition is not None
    assert condition.status == "True"
    return condition.reason, condition.message


def preferred(world: World, number: int) -> list[Any]:
    pod = world.objects["Job", f"reaching-a{number}"]["spec"]["template"]["spec"]
    node_affinity = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    return list(node_affinity.get("preferredDuringSchedulingIgnoredDuringExecution", []))


def test_the_same_failure_at_the_same_step_twice_ends_the_job_with_both_last_lines() -> None:
    world = with_running_gang(maxFailures=9)
    fail(world, message="IndexError: frame 17 of pod reaching-a1-0-x")
    assert world.status.phase == "Running"
    fail(world, message="IndexError: frame 18 of pod reaching-a2-0-y")

    reason, message = failure_of(world)
    assert reason == "SameFailureTwice"
    assert "frame 17" in message
    assert "frame 18" in message
    assert "step 7" in message
    assert world.status.failed_attempts == 2


@pytest.mark.parametrize(
    "second", [{"step": 8}, {"message": "KeyError: boom"}, {"reason": "OutOfMemory"}], ids=lambda it: next(iter(it))
)
def test_another_failure_or_another_step_is_followed_by_another_attempt(second: dict[str, Any]) -> None:
    world = with_running_gang(maxFailures=9)
    fail(world)
    fail(world, **second)

    assert world.status.phase == "Running"
    assert world.status.current_attempt == 3


def test_a_preemption_in_between_does_not_hide_that_a_failure_is_the_same() -> None:
    world = with_running_gang(maxFailures=9)
    fail(world)
    fail(world, "Preempted", "asked to stop", code=75)
    fail(world)

    assert failure_of(world)[0] == "SameFailureTwice"


def test_failures_before_the_first_step_use_up_the_budget() -> None:
    """They cost little, and a hub or a node that is down for a moment looks the same twice."""
    world = with_running_gang(maxFailures=3)
    for _ in range(3):
        world.end_all(1, "ConnectionResetError")
        world.settle(1)
        world.settle(4000)
        world.run_pods()
        world.settle(1)

    assert failure_of(world)[0] == "AttemptsExhausted"


def test_a_node_that_fails_its_preflight_twice_uses_up_the_budget() -> None:
    """Its disk may have room again, and another node may be better."""
    world = with_running_gang(maxFailures=3)
    for _ in range(3):
        fail(world, "PreflightFailed", "the disk under /cache has 16,384 bytes")

    assert failure_of(world)[0] == "AttemptsExhausted"


def test_a_loss_that_is_not_finite_is_tried_once_more_on_another_node() -> None:
    world = with_running_gang()
    fail(world, "NonFiniteLoss", "loss is NaN at step 12", step=12)

    assert world.status.phase == "Running"
    assert world.status.failed_attempts == 1
    (term,) = preferred(world, 2)
    (expression,) = term["preference"]["matchFields"]
    assert expression == {"key": "metadata.name", "operator": "NotIn", "values": ["node-1"]}
    assert preferred(world, 1) == []


def test_a_loss_that_is_not_finite_again_is_final() -> None:
    world = with_running_gang(maxFailures=9)
    fail(world, "NonFiniteLoss", "loss is NaN at step 12", step=12)
    fail(world, "NonFiniteLoss", "loss is NaN at step 30", step=30)

    assert failure_of(world) == ("NonFiniteLoss", "loss is NaN at step 30")


def test_a_budget_of_one_failure_leaves_no_second_chance() -> None:
    world = with_running_gang(maxFailures=1)
    fail(world, "NonFiniteLoss", "loss is NaN at step 12")

    assert failure_of(world)[0] == "AttemptsExhausted"


def test_a_node_stays_avoided_after_a_preemption() -> None:
    world = with_running_gang(maxFailures=9)
    fail(world, "NonFiniteLoss", "loss is NaN at step 12")
    fail(world, "Preempted", "asked to stop", code=75)

    assert len(preferred(world, 3)) == 1


def test_a_rule_ends_the_job_at_once() -> None:
    world = with_running_gang(rules=[{"action": "Fail", "exitCodes": [42]}])
    fail(world, message="license missing", code=42)

    reason, message = failure_of(world)
    assert reason == "Error"
    assert "failurePolicy.rules[0]" in message
    assert "license missing" in message
    assert world.status.attempts[-1].action == "Fail"


def test_a_failure_that_a_rule_ignores_stays_a_failure_and_does_not_count() -> None:
    world = with_running_gang(maxFailures=1, rules=[{"action": "Ignore", "exitCodes": [42]}])
    for _ in range(4):
        fail(world, code=42)

    assert world.status.phase == "Running"
    assert world.status.failed_attempts == 0
    assert {attempt.outcome for attempt in world.status.attempts[:-1]} == {"Failed"}
    assert {attempt.action for attempt in world.status.attempts[:-1]} == {"Ignore"}


def test_ignored_failures_are_followed_after_longer_and_longer_pauses() -> None:
    world = with_running_gang(maxFailures=1, rules=[{"action": "Ignore", "exitCodes": [42]}])
    for _ in range(7):
        fail(world, code=42)
    world.end_all(42)
    world.settle(1)
    world.settle(60)

    assert world.status.phase == "BackingOff"


def test_a_rule_has_a_final_reason_tried_again_until_the_budget_is_used_up() -> None:
    world = with_running_gang(maxFailures=2, rules=[{"action": "Retry", "reasons": ["InvalidInput"]}])
    fail(world, "InvalidInput", "labels.csv is missing", code=78)
    assert world.status.phase == "Running"
    assert world.status.failed_attempts == 1
    fail(world, "InvalidInput", "labels.csv is missing", code=78)

    assert failure_of(world)[0] == "AttemptsExhausted"


def test_a_rule_can_make_a_preemption_count() -> None:
    world = with_running_gang(maxFailures=1, rules=[{"action": "Retry", "reasons": ["Preempted"]}])
    fail(world, "Preempted", "asked to stop", code=75)

    assert failure_of(world)[0] == "AttemptsExhausted"


def test_the_first_rule_that_applies_decides() -> None:
    rules = [
        {"action": "Ignore", "reasons": ["OutOfMemory"]},
        {"action": "Fail", "exitCodes": [1]},
        {"action": "Ignore", "exitCodes": [1]},
    ]
    world = with_running_gang(rules=rules)
    fail(world, "OutOfMemory", "CUDA out of memory")
    assert world.status.phase == "Running"
    fail(world)

    assert "failurePolicy.rules[1]" in failure_of(world)[1]


def test_the_exit_code_of_the_pod_that_decided_is_compared() -> None:
    """Rank 0 fails with 42; rank 1, which is stopped because of it, ends with 75."""
    job = a_job().with_gpus(1, nodes=2).with_spec(failurePolicy={"rules": [{"action": "Fail", "exitCodes": [75]}]})
    world = World.of(job)
    world.bring_up()
    world.end_pod("reaching-a1-0", 42, "boom")
    world.settle(1)

    assert world.status.attempts[0].outcome == "Failed"
    assert world.status.completion_time is None


@pytest.mark.parametrize("field", [{"reasons": ["Suspended"]}, {"exitCodes": [75]}], ids=["reason", "exit code"])
def test_no_rule_applies_to_what_the_author_asked_for(field: dict[str, Any]) -> None:
    world = with_running_gang(rules=[{"action": "Fail", **field}])
    world.edit(suspend=True)
    world.settle(1)
    world.finish_deletions()
    world.settle(1)

    assert world.status.phase == "Suspended"
    assert world.status.attempts[0].action is None


def with_ended_try(exit_code: int, **policy: Any) -> World:
    world = World.of(a_job().with_spec(failurePolicy=policy))
    world.settle()
    world.run_pods()
    world.end_all(exit_code, "boom")
    world.settle(1)
    return world


def test_rules_apply_to_the_preparation() -> None:
    failed = with_ended_try(42, rules=[{"action": "Fail", "exitCodes": [42]}])
    assert "failurePolicy.rules[0]" in failure_of(failed)[1]

    ignored = with_ended_try(42, maxFailures=1, rules=[{"action": "Ignore", "exitCodes": [42]}])
    assert (ignored.status.phase, ignored.status.preparation.failures) == ("Preparing", 0)
    assert ignored.settle(3).preparation.tries == 2

    retried = with_ended_try(78, rules=[{"action": "Retry", "reasons": ["InvalidInput"]}])
    assert (retried.status.phase, retried.status.preparation.failures) == ("Preparing", 1)
