"""How jobs are stopped: suspended, past their deadline, stalled, finished, deleted."""

from dataclasses import replace

import pytest

from posefleet_api.outcomes import ProgressReport
from posefleet_api.status import Progress
from posefleet_operator.plan import find_condition
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import a_job, a_pod, a_report, ago, deleted_object
from unit.operator.plans import condition_of, deletions, kinds, message_of, reasons, reconciled


def test_suspend_stops_the_gang_and_then_waits() -> None:
    job = a_job().with_spec(suspend=True).running_attempt(1)
    stopping = reconcile(job.seen())
    assert deletions(stopping) == [("Job", "reaching-a1")]
    assert stopping.status.phase == "Running"

    ended = reconciled(job).without_children().with_pod(a_pod(job).ended(75).deleted().manifest)
    outcome = reconciled(ended)
    assert (outcome.status.attempts[0].outcome, outcome.status.attempts[0].reason) == ("Preempted", "Suspended")
    plan = reconcile(outcome.seen())
    assert plan.status.phase == "Suspended"
    assert reasons(plan) == ["Suspended"]

    resumed = reconciled(outcome).with_spec(suspend=False)
    assert reasons(reconcile(resumed.seen())) == ["Resumed"]
    assert kinds(reconcile(reconciled(resumed).seen()))[-1] == ("Job", "reaching-a2")


def test_an_attempt_that_was_recorded_and_not_created_ends_with_a_suspension() -> None:
    recorded = reconciled(a_job().prepared()).with_spec(suspend=True)
    plan = reconcile(recorded.seen())

    assert plan.create == []
    assert (plan.status.attempts[0].outcome, plan.status.attempts[0].reason) == ("Preempted", "Suspended")
    assert reconcile(reconciled(recorded).seen()).status.phase == "Suspended"


def test_a_deadline_ends_the_job_and_stops_its_gang() -> None:
    job = a_job().with_spec(activeDeadlineSeconds=100).running_attempt(1)
    plan = reconcile(job.seen())

    assert plan.status.phase == "Failed"
    assert plan.status.attempts[0].outcome == "DeadlineExceeded"
    assert deletions(reconcile(reconciled(job).seen())) == [("Job", "reaching-a1")]


def test_a_deadline_ends_a_job_that_waits_for_its_first_attempt() -> None:
    plan = reconcile(a_job().with_spec(activeDeadlineSeconds=100).prepared().seen())

    assert condition_of(plan, "Failed") == ("True", "DeadlineExceeded")
    assert condition_of(plan, "Prepared") == ("True", "Prepared")


def test_a_deadline_to_come_is_waited_for() -> None:
    assert reconcile(a_job().with_spec(activeDeadlineSeconds=210).running_attempt(1).seen()).requeue_after == 10


def test_an_attempt_without_a_step_is_stalled_counted_and_stopped() -> None:
    job = a_job().with_policy(stallSeconds=60).running_attempt(1, started=300).saying(a_report(1, 5, seconds_ago=61))
    plan = reconcile(job.seen())

    assert plan.status.attempts[0].outcome == "Stalled"
    assert plan.status.failed_attempts == 1
    assert deletions(reconcile(reconciled(job).seen())) == [("Job", "reaching-a1")]


def test_an_operator_that_has_just_started_calls_nothing_stalled() -> None:
    job = replace(a_job().with_policy(stallSeconds=60).running_attempt(1, started=3000), polled_since=ago(5))

    assert reconcile(job.seen()).status.attempts[0].outcome is None


def test_silence_is_told_but_ends_nothing() -> None:
    job = replace(a_job().with_policy(stallSeconds=60).running_attempt(1, started=300), polled_since=ago(61))
    plan = reconcile(job.seen())

    assert (plan.status.attempts[0].outcome, plan.status.phase) == (None, "Running")
    assert condition_of(plan, "Running") == ("True", "ProgressUnknown")
    assert "port 9400 of pod reaching-a1-0-x (10.0.0.9)" in message_of(plan, "Running")
    assert [(event.reason.severity, event.reason.name) for event in plan.events] == [("Warning", "ProgressUnknown")]

    again = reconcile(reconciled(job).seen())
    assert again.events == []
    heard = reconcile(reconciled(job).saying(a_report(1, 5)).seen())
    assert condition_of(heard, "Running") == ("True", "AllPodsRun")


def test_a_trainer_that_is_heard_and_makes_no_first_step_is_stalled() -> None:
    job = a_job().with_policy(stallSeconds=60).running_attempt(1, started=300)
    plan = reconcile(job.saying(ProgressReport(attempt=1, progress=Progress())).seen())

    assert plan.status.attempts[0].outcome == "Stalled"


@pytest.mark.parametrize("report", [a_report(1, 5, seconds_ago=70), None])
def test_an_attempt_on_a_node_that_is_gone_was_preempted(report: ProgressReport | None) -> None:
    job = a_job().with_gpus(1, nodes=2).with_policy(stallSeconds=60).running_attempt(1, started=300)
    lost = a_pod(job, 1, 1).running(300).deleted(65).disrupted("DeletionByTaintManager")
    job = job.with_pod(a_pod(job, 1, 0).ended(76).manifest).with_pod(lost.manifest)
    plan = reconcile(replace(job, report=report, polled_since=ago(300)).seen())

    attempt = plan.status.attempts[0]
    assert (attempt.outcome, attempt.reason) == ("Preempted", "DeletionByTaintManager")
    assert "reaching-a1-1-x was removed from node node-1" in attempt.message
    assert plan.status.failed_attempts == 0


def test_an_attempt_that_broke_before_its_node_went_has_failed() -> None:
    job = a_job().with_gpus(1, nodes=2).with_policy(stallSeconds=60).running_attempt(1, started=300)
    stopped = a_pod(job, 1, 1).running(300).deleted(65)
    job = job.with_pod(a_pod(job, 1, 0).ended(1, "boom").manifest).with_pod(stopped.manifest)
    plan = reconcile(job.saying(a_report(1, 5, seconds_ago=70)).seen())

    assert (plan.status.attempts[0].outcome, plan.status.failed_attempts) == ("Failed", 1)


def test_a_silent_attempt_whose_pod_was_just_deleted_is_left_to_end() -> None:
    job = replace(a_job().with_policy(stallSeconds=60).running_attempt(1, started=300), polled_since=ago(300))
    plan = reconcile(job.with_pod(a_pod(job).running(300).deleted(3).disrupted().manifest).seen())

    assert plan.status.attempts[0].outcome is None
    assert plan.requeue_after == 57


def test_a_finished_job_is_deleted_when_its_time_has_come() -> None:
    job = a_job().with_spec(ttlSecondsAfterFinished=60).after_attempts("Succeeded")
    job = job.with_status(phase="Succeeded", completion_time="2026-01-31T11:59:30Z")
    assert reconcile(job.seen()).requeue_after == 30

    assert deletions(reconcile(job.seen(ago(-31)))) == [("PoseTrainingJob", "reaching")]


def test_a_job_on_its_way_out_is_left_alone() -> None:
    job = a_job().prepared()
    seen = job.seen()
    seen.manifest["metadata"] = deleted_object(seen.manifest)["metadata"]

    plan = reconcile(seen)
    assert (plan.create, plan.delete, plan.events) == ([], [], [])


def test_a_job_that_the_clusters_defaults_do_not_complete_has_a_time_to_live_too() -> None:
    job = a_job().with_spec(storage=None, ttlSecondsAfterFinished=60)
    assert condition_of(reconcile(job.seen()), "Failed") == ("True", "InvalidInput")

    finished = reconciled(job)
    assert reconcile(finished.seen(ago(-59))).delete == []
    assert deletions(reconcile(finished.seen(ago(-61)))) == [("PoseTrainingJob", "reaching")]


def test_a_suspension_that_a_lost_node_holds_up_says_so() -> None:
    job = a_job().with_spec(suspend=True).running_attempt(1)
    plan = reconcile(job.with_pod(a_pod(job).running().deleted(600).manifest).seen())

    assert condition_of(plan, "Suspended") == ("False", "Suspending")
    assert "pod reaching-a1-0-x" in message_of(plan, "Suspended")
    assert "kubectl delete --force" in message_of(plan, "Suspended")


def test_a_resume_while_the_gang_still_ends_does_not_hide_why_it_ended() -> None:
    suspending = reconciled(a_job().with_spec(suspend=True).running_attempt(1))
    resumed = suspending.with_spec(suspend=False)
    resumed = resumed.with_child(deleted_object(resumed.attempt_manifest(1)))
    plan = reconcile(resumed.seen())
    assert condition_of(plan, "Suspended") == ("False", "Suspending")

    ended = reconciled(resumed).without_children().with_pod(a_pod(resumed).ended(75).deleted().manifest)
    plan = reconcile(ended.seen())
    assert plan.status.attempts[0].reason == "Suspended"

    plan = reconcile(reconciled(ended).seen())
    assert condition_of(plan, "Suspended") == ("False", "Resumed")
    assert message_of(plan, "Suspended") == "spec.suspend is false"


def test_a_job_that_was_never_suspended_says_so() -> None:
    plan = reconcile(a_job().running_attempt(1).seen())

    assert condition_of(plan, "Suspended") == ("False", "NotSuspended")
    assert "Resumed" not in reasons(plan)


def test_a_resume_is_reported_once() -> None:
    job = a_job().prepared().with_condition("Suspended", "False", "Resumed")
    before = find_condition(job.status.conditions, "Suspended")
    plan = reconcile(job.seen())

    assert find_condition(plan.status.conditions, "Suspended") == before


def test_a_deadline_between_two_attempts_ends_the_job_without_another_one() -> None:
    plan = reconcile(a_job().with_spec(activeDeadlineSeconds=100).after_attempts("Failed").seen())

    assert condition_of(plan, "Failed") == ("True", "DeadlineExceeded")
    assert [attempt.outcome for attempt in plan.status.attempts] == ["Failed"]
    assert plan.create == []
