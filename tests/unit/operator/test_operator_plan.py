"""A plan: its conditions, its attempts, the ends of a job, and when to reconcile again."""

import pytest

from posefleet_api.status import MAX_ATTEMPTS, Attempt, Condition, ConditionType, Progress, Status
from posefleet_operator import reasons
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.plan import Plan, Waiting, find_condition, is_true, with_condition
from unit.operator.builders import NOW, a_job, deleted_object, finished_job


def condition(status: str, time: str, kind: ConditionType = "Prepared") -> Condition:
    return Condition(type=kind, status=status, reason="Any", last_transition_time=f"2026-01-31T12:00:0{time}Z")


def a_plan(**status: object) -> Plan:
    return Plan(Status.model_validate(status), NOW, 3)


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    (kept,) = with_condition([condition("True", "1")], condition("True", "2"))
    (moved,) = with_condition([condition("True", "1")], condition("False", "2"))
    assert (kept.last_transition_time[-3:], moved.last_transition_time[-3:]) == ("01Z", "02Z")


def test_other_conditions_and_their_order_stay() -> None:
    old = [condition("True", "1"), condition("False", "2", "Running"), condition("False", "3", "Suspended")]
    new = condition("True", "9", "Running")

    assert with_condition(old, new) == [old[0], new, old[2]]
    added = condition("True", "9", "Failed")
    assert with_condition(old, added) == [*old, added]


def test_a_condition_is_found_by_its_type() -> None:
    conditions = [condition("True", "1"), condition("Unknown", "2", "Running")]
    assert find_condition(conditions, "Running") is conditions[1]
    assert find_condition(conditions, "Failed") is None
    assert [is_true(conditions, kind) for kind in ("Prepared", "Running", "Failed")] == [True, False, False]


def test_a_condition_says_for_which_generation_and_when_and_never_too_much() -> None:
    plan = a_plan()
    plan.condition("Running", True, reasons.ALL_PODS_RUN, "x" * 5000)
    plan.condition("Prepared", False, reasons.PREPARING, "")

    running, prepared = plan.status.conditions
    assert (running.status, running.reason, len(running.message)) == ("True", "AllPodsRun", 1024)
    assert (running.observed_generation, running.last_transition_time) == (3, to_timestamp(NOW))
    assert prepared.status == "False"


def test_the_earliest_time_to_reconcile_again_counts() -> None:
    plan = a_plan()
    assert plan.requeue_after is None
    for seconds, expected in ((30, 30), (50, 30), (5, 5)):
        plan.requeue_within(seconds)
        assert plan.requeue_after == expected
    plan.skip_remaining_steps()
    assert (plan.remaining_steps_skipped, plan.requeue_after) == (True, 5)
    plan.skip_remaining_steps(0)
    assert plan.requeue_after == 0


@pytest.mark.parametrize(("seconds", "expected"), [(7.0, 7.0), (None, None)])
def test_a_wait_is_a_condition_and_perhaps_a_time_to_look_again(seconds: float | None, expected: float | None) -> None:
    plan = a_plan()
    plan.wait("Running", Waiting(reasons.SLOW_START, "slow", seconds))

    (running,) = plan.status.conditions
    assert (running.type, running.status, running.reason, running.message) == ("Running", "False", "SlowStart", "slow")
    assert plan.requeue_after == expected


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_job_ends_with_its_time_its_conditions_and_no_estimates(succeeds: bool) -> None:
    plan = a_plan()
    plan.update(progress=Progress(stage="train", step=7, eta="1m", eta_seconds=60, frames_per_second=9.0))
    if succeeds:
        plan.succeed("done")
    else:
        plan.fail(reasons.PREPARE_FAILED, "broken")

    assert plan.status.phase == ("Succeeded" if succeeds else "Failed")
    assert plan.status.completion_time == to_timestamp(NOW)
    assert plan.status.progress == Progress(stage="train", step=7)
    ended = ("Completed", "done") if succeeds else ("PrepareFailed", "broken")
    running = ("Succeeded", "done") if succeeds else ended
    expected = {
        "Running": ("False", *running),
        "Succeeded": (str(succeeds), *ended),
        "Failed": (str(not succeeds), *ended),
        "Finished": ("True", *ended),
    }
    assert {c.type: (c.status, c.reason, c.message) for c in plan.status.conditions} == expected


def test_only_jobs_that_may_still_have_pods_are_deleted() -> None:
    job = a_job()
    unfinished = job.attempt_manifest(1)
    leaving, failed = deleted_object(job.attempt_manifest(2)), finished_job(job.attempt_manifest(3), "Failed")
    complete = finished_job(job.attempt_manifest(4), "Complete")
    plan = a_plan()
    plan.delete_unfinished(ChildJob.read(manifest) for manifest in (unfinished, leaving, failed, complete))

    assert [(one.kind, one.name, one.uid) for one in plan.delete] == [("Job", "reaching-a1", "uid-of-reaching-a1")]


def test_the_newest_attempts_are_kept_and_the_nodes_of_the_last_of_them() -> None:
    plan = a_plan()
    for number in range(1, MAX_ATTEMPTS + 11):
        plan.add_attempt(Attempt(number=number, start_time=to_timestamp(NOW)))
        plan.update_attempt(nodes=[f"node-{number}"])

    attempts = plan.status.attempts
    assert [attempt.number for attempt in attempts] == list(range(11, MAX_ATTEMPTS + 11))
    assert plan.status.current_attempt == MAX_ATTEMPTS + 10
    assert [bool(attempt.nodes) for attempt in attempts] == [False] * (MAX_ATTEMPTS - 5) + [True] * 5
    assert attempts[-1].nodes == [f"node-{MAX_ATTEMPTS + 10}"]
