"""A reconcile for every turn of an attempt, from its start to its outcome and the budget."""

import json
from dataclasses import replace

from posefleet_api.outcomes import TerminationMessage
from posefleet_api.status import Artifacts, Checkpoint, Progress
from posefleet_operator.policies.attempts import with_jitter
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import a_job, a_pod, a_report, ago, finished_job
from unit.operator.plans import deletions, kinds, message_of, reasons, reconciled


def test_the_first_attempt_follows_preparation() -> None:
    plan = reconcile(a_job().with_gpus(4, nodes=2).prepared().seen())

    assert plan.create == []
    assert plan.status.current_attempt == 1
    assert plan.status.attempts[0].gpus == 8
    assert plan.status.attempts[0].logs == "s3://lab-results/reaching/attempts/1/"
    assert plan.status.phase == "Starting"
    assert reasons(plan) == []


def test_an_attempt_is_recorded_then_created_then_known_and_only_then_released() -> None:
    recorded = reconciled(a_job().prepared())
    plan = reconcile(recorded.seen())
    assert kinds(plan) == [("ConfigMap", "reaching-a1"), ("Service", "reaching-a1"), ("Job", "reaching-a1")]
    assert plan.release == []

    created = recorded.with_child(recorded.held_manifest(1))
    plan = reconcile(created.seen())
    assert (plan.create, plan.release) == ([], [])
    assert plan.status.attempts[0].job_uid == "uid-of-reaching-a1"
    assert reasons(plan) == ["AttemptStarted"]
    assert plan.requeue_after == 0

    known = reconciled(created)
    plan = reconcile(known.seen())
    assert [(one.name, one.uid, one.version) for one in plan.release] == [("reaching-a1", "uid-of-reaching-a1", 5)]
    assert reconcile(known.with_child(known.attempt_manifest(1)).seen()).release == []


def test_the_job_of_a_recorded_attempt_that_is_deleted_from_outside_is_not_created_again() -> None:
    known = reconciled(reconciled(a_job().prepared()).with_child(a_job().prepared().held_manifest(1)))
    plan = reconcile(known.without_children().seen())

    assert plan.create == []
    assert (plan.status.attempts[0].outcome, plan.status.attempts[0].reason) == ("Preempted", "JobDeleted")


def test_a_job_that_a_former_leader_creates_too_late_never_starts() -> None:
    job = a_job().with_policy(backoffSeconds=1).running_attempt(2)
    plan = reconcile(job.with_child(job.held_manifest(1)).seen())

    assert plan.release == []
    assert deletions(plan) == [("Job", "reaching-a1")]


def test_a_job_that_has_the_name_of_a_running_attempt_but_another_uid_is_not_its_job() -> None:
    job = a_job().running_attempt(1)
    held = job.held_manifest(1)
    impostor = {**held, "metadata": {**held["metadata"], "uid": "another"}}
    plan = reconcile(replace(job, pods=()).with_child(impostor).seen())

    assert plan.release == []
    assert plan.status.attempts[0].reason == "JobDeleted"


def test_an_attempt_runs_when_all_its_pods_run() -> None:
    job = reconciled(a_job().with_gpus(1, nodes=2).prepared())
    job = job.with_child(job.attempt_manifest(1)).with_pod(a_pod(job, 1, 0).running().manifest)
    assert reconcile(job.seen()).status.phase == "Starting"

    plan = reconcile(job.with_pod(a_pod(job, 1, 1).running().manifest).seen())
    assert plan.status.phase == "Running"
    assert plan.status.attempts[0].nodes == ["node-1", "node-1"]
    assert reasons(plan) == ["AttemptStarted", "AttemptRunning"]


def test_a_running_job_shows_what_rank_0_says() -> None:
    plan = reconcile(a_job().running_attempt(2).saying(a_report(2, 42, start_step=30)).seen())

    assert plan.status.progress is not None
    assert plan.status.progress.display == "train 42%"
    assert plan.status.progress.eta == "2m10s"
    assert plan.status.attempts[-1].start_step == 30
    assert plan.status.progress.step == 42


def test_the_last_step_of_an_attempt_is_recorded_when_it_ends() -> None:
    job = reconciled(a_job().running_attempt(2).saying(a_report(2, 42, start_step=30)))
    assert job.status.attempts[-1].end_step is None

    ended = reconcile(job.with_pod(a_pod(job, 2).ended(1).manifest).without_children().seen()).status
    assert (ended.attempts[-1].start_step, ended.attempts[-1].end_step) == (30, 42)


def test_a_report_of_a_former_attempt_is_not_believed() -> None:
    plan = reconcile(a_job().running_attempt(2).saying(a_report(1, 42)).seen())

    assert plan.status.progress is None


def test_a_second_reconcile_changes_nothing() -> None:
    for job in (a_job().running_attempt(1), a_job().after_attempts("Failed"), reconciled(a_job())):
        once = reconciled(job)
        again = reconcile(once.seen())
        assert again.status == once.status
        assert again.events == []


def test_success_ends_the_job() -> None:
    job = a_job().running_attempt(1)
    said = TerminationMessage(
        reason="Completed", message="done", progress=Progress(stage="report", step=100, steps=100, percent=100),
        artifacts=Artifacts(report="s3://lab-results/reaching/report/index.html"),
        last_checkpoint=Checkpoint(uri="s3://c", step=100, time="2026-01-31T11:00:00Z", sha256="0" * 64),
    )  # fmt: skip
    job = job.with_child(finished_job(job.attempt_manifest(1), "Complete")).with_pod(a_pod(job).ended(0, said).manifest)
    plan = reconcile(job.seen())

    assert plan.status.phase == "Succeeded"
    assert plan.status.artifacts is not None
    assert plan.status.last_checkpoint is not None
    assert plan.status.attempts[0].end_step == 100
    assert plan.status.gpu_seconds == 50
    assert plan.delete == []
    assert reasons(plan) == ["AttemptSucceeded", "Succeeded"]


def test_an_outcome_is_written_down_before_the_next_attempt_exists() -> None:
    job = a_job().running_attempt(1)
    job = job.with_child(finished_job(job.attempt_manifest(1), "Failed")).with_pod(a_pod(job).ended(1, "boom").manifest)
    plan = reconcile(job.seen())

    assert plan.create == []
    assert plan.status.failed_attempts == 1
    assert plan.status.attempts[0].outcome == "Failed"
    assert "boom" in plan.status.attempts[0].message


def test_a_failed_attempt_waits_before_the_next() -> None:
    job = a_job().with_policy(backoffSeconds=30).after_attempts("Failed")
    plan = reconcile(job.seen())

    assert plan.create == []
    assert plan.requeue_after == with_jitter(30, "uid-1", 1) - 5
    assert reconcile(job.seen(ago(-25))).status.current_attempt == 1
    assert reconcile(job.seen(ago(-28))).status.current_attempt == 2


def test_the_budget_ends_the_job() -> None:
    job = a_job().with_policy(maxFailures=2).after_attempts("Failed")
    job = job.with_status(attempts=[*job.status.attempts, *a_job().running_attempt(2).status.attempts[-1:]], attempt=2)
    job = job.with_child(finished_job(job.attempt_manifest(2), "Failed")).with_pod(a_pod(job, 2).ended(1).manifest)
    plan = reconcile(job.seen())

    assert plan.status.phase == "Failed"
    assert "2 attempts failed" in message_of(plan, "Failed")


def test_a_preempted_attempt_does_not_use_up_the_budget() -> None:
    job = a_job().with_policy(maxFailures=1).running_attempt(1)
    job = job.with_child(finished_job(job.attempt_manifest(1), "Failed")).with_pod(a_pod(job).ended(75).manifest)
    plan = reconcile(job.seen())

    assert plan.status.attempts[0].outcome == "Preempted"
    assert plan.status.failed_attempts == 0
    assert plan.status.completion_time is None


def test_a_gang_whose_pods_a_quota_refuses_waited_in_vain() -> None:
    job = reconciled(a_job().with_gpus(1, nodes=2).prepared())
    job = job.with_child(finished_job(job.attempt_manifest(1), "Failed")).with_pod(a_pod(job).ended(76).manifest)
    assert reconcile(job.seen()).status.attempts[0].reason == "GangIncomplete"

    ran = a_job().with_gpus(1, nodes=2).running_attempt(1)
    ran = replace(ran, pods=(a_pod(ran).ended(76).manifest,))
    ran = ran.with_child(finished_job(ran.attempt_manifest(1), "Failed"))
    assert reconcile(ran.seen()).status.attempts[0].reason == "PodDeleted"


def test_a_reason_that_would_come_again_ends_the_job_at_once() -> None:
    job = a_job().running_attempt(1)
    said = TerminationMessage(reason="InvalidInput", message="labels.csv is missing")
    job = job.with_child(finished_job(job.attempt_manifest(1), "Failed")).with_pod(a_pod(job).ended(1, said).manifest)
    plan = reconcile(job.seen())

    assert plan.status.phase == "Failed"
    assert message_of(plan, "Failed") == "labels.csv is missing"


def test_deleting_the_job_of_an_attempt_neither_counts_nor_resets_the_budget() -> None:
    job = a_job().with_policy(maxFailures=2).running_attempt(2).with_status(failed_attempts=1).without_children()
    assert reconcile(job.seen()).status.attempts[-1].outcome is None  # its pods still run

    plan = reconcile(job.with_pod(a_pod(job, 2).ended(75).deleted().manifest).seen())
    assert plan.status.attempts[-1].outcome == "Preempted"
    assert plan.status.failed_attempts == 1


def test_children_of_old_attempts_go_when_a_new_one_starts() -> None:
    job = a_job().with_policy(maxFailures=9, backoffSeconds=1).after_attempts("Failed", "Failed", "Failed")
    plan = reconcile(job.with_child(finished_job(job.attempt_manifest(1), "Failed")).seen())

    assert deletions(plan) == [("ConfigMap", "reaching-a1"), ("Service", "reaching-a1"), ("Job", "reaching-a1")]


def test_an_attempt_job_without_a_status_entry_is_deleted() -> None:
    job = a_job().with_gpus(2).prepared()
    plan = reconcile(job.with_child(job.attempt_manifest(1)).seen())

    assert plan.create == []
    assert plan.status.current_attempt is None
    assert deletions(plan) == [("Job", "reaching-a1")]


def test_a_copy_of_a_job_or_of_a_pod_is_nobodys_child() -> None:
    job = a_job().running_attempt(1)
    original, pod = job.attempt_manifest(1), a_pod(job).running().manifest
    owned = {**original["metadata"], "name": "copy", "uid": "copy"}
    bare = {name: value for name, value in owned.items() if name != "ownerReferences"}
    copied_pod = {name: value for name, value in pod["metadata"].items() if name != "ownerReferences"}
    finished = job.with_child(finished_job(original, "Complete")).with_pod(a_pod(job).ended(0).manifest)
    for copy in ({**original, "metadata": owned}, {**original, "metadata": bare}):
        assert reconcile(finished.with_child(copy).seen()).status.phase == "Succeeded"
        assert deletions(reconcile(job.with_child(copy).seen())) == []
    with_copy = finished.with_pod({**pod, "metadata": {**copied_pod, "name": "copy", "uid": "copy"}})
    assert reconcile(with_copy.seen()).status.phase == "Succeeded"


def test_a_pod_that_outlives_its_job_still_blocks_the_next_attempt() -> None:
    job = a_job().with_policy(backoffSeconds=1).after_attempts("Preempted").with_pod(a_pod(a_job()).running().manifest)
    plan = reconcile(job.seen())

    assert (plan.create, plan.status.current_attempt) == ([], 1)
    assert "reaching-a1-0-x" in message_of(plan, "Running")


def test_the_message_of_rank_0_has_precedence_over_those_of_other_ranks() -> None:
    job = a_job().with_gpus(1, nodes=3).running_attempt(1)
    for rank in range(3):
        said = TerminationMessage(reason="Preempted", progress=Progress(stage="train", step=10 + rank))
        job = job.with_pod(a_pod(job, 1, rank).ended(75, said).manifest)
    plan = reconcile(job.with_child(finished_job(job.attempt_manifest(1), "Failed", pods=3)).seen())

    assert plan.status.progress is not None
    assert plan.status.progress.step == 10
    assert plan.status.attempts[0].end_step == 10


def test_the_trainer_is_told_of_all_attempts_before_its_own() -> None:
    recorded = reconciled(a_job().after_attempts("Preempted", "Preempted", reason="Replaced"))
    assert recorded.status.current_attempt == 3
    plan = reconcile(recorded.seen())

    (config,) = [manifest for manifest in plan.create if manifest["kind"] == "ConfigMap"]
    told = json.loads(config["data"]["job.json"])["status"]
    assert [attempt["number"] for attempt in told["attempts"]] == [1, 2]
    assert told["currentAttempt"] == 3
