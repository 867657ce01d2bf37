"""How jobs are stopped: suspended, past their deadline, stalled, finished, deleted."""

from dataclasses import replace

from posefleet_operator.reconcile import reconcile
from unit.operator.builders import a_job, a_pod, a_report, ago, deleted_object
from unit.operator.plans import deletions, kinds, reasons, reconciled


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

    resumed = reconcile(reconciled(outcome).with_spec(suspend=False).seen())
    assert kinds(resumed)[-1] == ("Job", "reaching-a2")
    assert reasons(resumed) == ["AttemptStarted", "Resumed"]


def test_a_deadline_ends_the_job_and_stops_its_gang() -> None:
    job = a_job().with_spec(activeDeadlineSeconds=100).running_attempt(1)
    plan = reconcile(job.seen())

    assert plan.status.phase == "Failed"
    assert plan.status.attempts[0].outcome == "DeadlineExceeded"
    assert deletions(reconcile(reconciled(job).seen())) == [("Job", "reaching-a1")]


def test_a_deadline_to_come_is_waited_for() -> None:
    assert reconcile(a_job().with_spec(activeDeadlineSeconds=210).running_attempt(1).seen()).wake_after == 10


def test_an_attempt_without_a_step_is_stalled_counted_and_stopped() -> None:
    job = a_job().with_policy(stallSeconds=60).running_attempt(1, started=300).saying(a_report(1, 5, seconds_ago=61))
    plan = reconcile(job.seen())

    assert plan.status.attempts[0].outcome == "Stalled"
    assert plan.status.failed_attempts == 1
    assert deletions(reconcile(reconciled(job).seen())) == [("Job", "reaching-a1")]


def test_an_operator_that_has_just_started_calls_nothing_stalled() -> None:
    job = replace(a_job().with_policy(stallSeconds=60).running_attempt(1, started=3000), asking_since=ago(5))

    assert reconcile(job.seen()).status.attempts[0].outcome == ""


def test_a_finished_job_is_deleted_when_its_time_has_come() -> None:
    job = a_job().with_spec(ttlSecondsAfterFinished=60).after_attempts("Succeeded")
    job = job.with_status(phase="Succeeded", completion_time="2026-01-31T11:59:30Z")
    assert reconcile(job.seen()).wake_after == 30

    assert deletions(reconcile(job.seen(ago(-31)))) == [("PoseTrainingJob", "reaching")]


def test_a_job_on_its_way_out_is_left_alone() -> None:
    job = a_job().prepared()
    seen = job.seen()
    seen.manifest["metadata"] = deleted_object(seen.manifest)["metadata"]

    plan = reconcile(seen)
    assert (plan.apply, plan.delete, plan.events) == ([], [], [])
