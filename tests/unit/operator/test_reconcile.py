"""A reconcile for every turn of a job's life."""

from posefleet_api.constants import COMPONENT_PREPARE
from posefleet_api.outcomes import TerminationMessage
from posefleet_api.status import Artifacts, Checkpoint, Progress
from posefleet_operator.plan import Plan
from posefleet_operator.policies.conditions import find_condition
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import (
    a_job,
    a_pod,
    a_report,
    ago,
    deleted_object,
    finished_job,
    suspended_job,
)


def kinds(plan: Plan) -> list[tuple[str, str]]:
    return [(manifest["kind"], manifest["metadata"]["name"]) for manifest in plan.apply]


def deletions(plan: Plan) -> list[tuple[str, str]]:
    return [(reference.kind, reference.name) for reference in plan.delete]


def reasons(plan: Plan) -> list[str]:
    return [turn.reason for turn in plan.events]


def message_of(plan: Plan, kind: str) -> str:
    condition = find_condition(plan.status.conditions, kind)
    assert condition is not None
    return condition.message


def test_a_new_job_gets_a_prepare_job_and_no_gpu() -> None:
    plan = reconcile(a_job().with_gpus(4).seen())

    assert kinds(plan) == [("ConfigMap", "reaching-prepare-1"), ("Job", "reaching-prepare-1")]
    assert plan.status.phase == "Preparing"
    assert plan.status.gpus == 4
    assert reasons(plan) == ["PrepareStarted"]


def test_prepared_data_are_written_down_before_anything_else_is_started() -> None:
    job = reconciled(a_job())
    said = TerminationMessage(reason="Prepared", message="61 frames, 3 videos", warnings=["row 4 dropped"])
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).ended(0, said)
    plan = reconcile(job.with_child(finished_job(job.prepare_manifest(1), "Complete")).with_pod(pod.manifest).seen())

    assert plan.apply == []
    assert message_of(plan, "Prepared") == "61 frames, 3 videos"
    assert plan.status.preparation.warnings == ["row 4 dropped"]
    assert reasons(plan) == ["Prepared", "DataWarning"]
    assert plan.wake_after == 0


def reconciled(job):
    """The job with the status of its next plan, and the Jobs that the plan creates."""
    plan = reconcile(job.seen())
    from dataclasses import replace

    return replace(job, status=plan.status)


def test_invalid_input_in_prepare_fails_the_job_with_the_trainers_words() -> None:
    job = reconciled(a_job())
    text = "labels row 14: img007.png does not exist in s3://lab-data/mouse; upload it or remove the row"
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).ended(78, TerminationMessage(reason="InvalidInput", message=text))
    plan = reconcile(job.with_child(finished_job(job.prepare_manifest(1), "Failed")).with_pod(pod.manifest).seen())

    assert plan.status.phase == "Failed"
    assert message_of(plan, "Failed") == text
    failed = find_condition(plan.status.conditions, "Failed")
    assert failed is not None
    assert failed.reason == "InvalidInput"
    assert plan.status.attempts == []


def test_a_job_refused_for_its_data_starts_over_when_its_author_corrects_it() -> None:
    failed = (
        a_job().prepared().with_status(phase="Failed", completion_time="2026-01-31T11:59:00Z")
        .with_condition("Failed", "True", "InvalidInput")
    )  # fmt: skip
    assert reconcile(failed.seen()).apply == []

    plan = reconcile(failed.with_spec(dataset={"uri": "s3://lab-data/other/"}).seen())
    assert kinds(plan)[-1] == ("Job", "reaching-prepare-2")
    assert plan.status.completion_time is None
    assert plan.status.phase == "Preparing"


def test_a_store_that_is_away_is_asked_again_and_never_counted() -> None:
    job = reconciled(a_job())
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).ended(
        69, TerminationMessage(reason="StoreUnreachable", message="http://minio:9000 does not answer")
    )
    plan = reconcile(job.with_child(finished_job(job.prepare_manifest(1), "Failed")).with_pod(pod.manifest).seen())

    prepared = find_condition(plan.status.conditions, "Prepared")
    assert prepared is not None
    assert (prepared.status, prepared.reason) == ("False", "StoreUnreachable")
    assert "http://minio:9000 does not answer" in prepared.message
    assert plan.status.preparation.failures == 0
    assert plan.status.phase == "Preparing"
    assert reasons(plan) == ["StoreUnreachable"]


def test_edited_data_are_prepared_anew() -> None:
    plan = reconcile(a_job().prepared().with_spec(dataset={"uri": "s3://lab-data/other/"}).seen())

    assert kinds(plan)[-1] == ("Job", "reaching-prepare-2")


def test_the_first_attempt_follows_preparation() -> None:
    plan = reconcile(a_job().with_gpus(4, nodes=2).prepared().seen())

    assert kinds(plan) == [("ConfigMap", "reaching-a1"), ("Service", "reaching-a1"), ("Job", "reaching-a1")]
    assert plan.status.attempt == 1
    assert plan.status.attempts[0].gpus == 8
    assert plan.status.phase == "Queued"
    assert reasons(plan) == ["AttemptStarted"]


def test_an_attempt_runs_when_all_its_pods_run() -> None:
    job = reconciled(a_job().with_gpus(1, nodes=2).prepared())
    job = job.with_child(job.attempt_manifest(1)).with_pod(a_pod(job, 1, 0).running().manifest)
    assert reconcile(job.seen()).status.phase == "Queued"

    plan = reconcile(job.with_pod(a_pod(job, 1, 1).running().manifest).seen())
    assert plan.status.phase == "Running"
    assert plan.status.attempts[0].nodes == ["node-1", "node-1"]
    assert reasons(plan) == ["AttemptRunning"]


def test_a_running_job_shows_what_rank_0_says() -> None:
    plan = reconcile(a_job().running_attempt(2).saying(a_report(2, 42, start_step=30)).seen())

    assert plan.status.progress is not None
    assert plan.status.progress.display == "train 42%"
    assert plan.status.progress.eta == "2m10s"
    assert (plan.status.attempts[-1].start_step, plan.status.attempts[-1].end_step) == (30, 42)


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

    assert plan.apply == []
    assert plan.status.failed_attempts == 1
    assert plan.status.attempts[0].outcome == "Failed"
    assert "boom" in plan.status.attempts[0].message


def test_a_failed_attempt_waits_before_the_next() -> None:
    job = a_job().with_policy(backoffSeconds=30).after_attempts("Failed")
    plan = reconcile(job.seen())

    assert plan.apply == []
    assert plan.wake_after == 25
    assert kinds(reconcile(job.seen(ago(-26))))[-1] == ("Job", "reaching-a2")


def test_the_budget_ends_the_job() -> None:
    job = a_job().with_policy(maxAttempts=2).after_attempts("Failed")
    job = job.with_status(attempts=[*job.status.attempts, *a_job().running_attempt(2).status.attempts[-1:]], attempt=2)
    job = job.with_child(finished_job(job.attempt_manifest(2), "Failed")).with_pod(a_pod(job, 2).ended(1).manifest)
    plan = reconcile(job.seen())

    assert plan.status.phase == "Failed"
    assert "2 attempts failed" in message_of(plan, "Failed")


def test_a_preempted_attempt_does_not_use_up_the_budget() -> None:
    job = a_job().with_policy(maxAttempts=1).running_attempt(1)
    job = job.with_child(finished_job(job.attempt_manifest(1), "Failed")).with_pod(a_pod(job).ended(75).manifest)
    plan = reconcile(job.seen())

    assert plan.status.attempts[0].outcome == "Preempted"
    assert plan.status.failed_attempts == 0
    assert plan.status.completion_time is None


def test_a_reason_that_would_come_again_ends_the_job_at_once() -> None:
    job = a_job().running_attempt(1)
    said = TerminationMessage(reason="NonFiniteLoss", message="loss is NaN at step 12")
    job = job.with_child(finished_job(job.attempt_manifest(1), "Failed")).with_pod(a_pod(job).ended(1, said).manifest)
    plan = reconcile(job.seen())

    assert plan.status.phase == "Failed"
    assert message_of(plan, "Failed") == "loss is NaN at step 12"


def test_deleting_the_job_of_an_attempt_neither_counts_nor_resets_the_budget() -> None:
    job = a_job().with_policy(maxAttempts=2).running_attempt(2).with_status(failed_attempts=1).without_children()
    assert reconcile(job.seen()).status.attempts[-1].outcome == ""  # its pods still run

    plan = reconcile(job.with_pod(a_pod(job, 2).ended(75).deleted().manifest).seen())
    assert plan.status.attempts[-1].outcome == "Preempted"
    assert plan.status.failed_attempts == 1


def test_no_attempt_starts_while_pods_of_the_last_one_run() -> None:
    job = a_job().after_attempts("Preempted").with_pod(a_pod(a_job(), 1).running().deleted().manifest)
    plan = reconcile(job.seen())

    assert plan.apply == []
    assert "reaching-a1-0-x" in message_of(plan, "Running")


def test_no_attempt_starts_while_a_deleted_namesake_still_runs() -> None:
    from dataclasses import replace

    namesake = replace(a_job(), uid="uid-0")
    job = a_job().prepared().with_pod(a_pod(namesake, 7).running().manifest)
    plan = reconcile(job.seen())

    assert plan.apply == []
    assert "reaching-a7-0-x" in message_of(plan, "Running")


def test_a_lost_node_is_named_when_it_holds_everything_up() -> None:
    job = a_job().after_attempts("Preempted").with_pod(a_pod(a_job(), 1).running().deleted(600).manifest)
    plan = reconcile(job.seen())

    assert "kubectl delete --force" in message_of(plan, "Running")
    assert reasons(plan) == ["WaitingForOldPods"]


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
    from dataclasses import replace

    job = replace(a_job().with_policy(stallSeconds=60).running_attempt(1, started=3000), asking_since=ago(5))

    assert reconcile(job.seen()).status.attempts[0].outcome == ""


def test_a_finished_job_is_deleted_when_its_time_has_come() -> None:
    job = a_job().with_spec(ttlSecondsAfterFinished=60).after_attempts("Succeeded")
    job = job.with_status(phase="Succeeded", completion_time="2026-01-31T11:59:30Z")
    assert reconcile(job.seen()).wake_after == 30

    assert deletions(reconcile(job.seen(ago(-31)))) == [("PoseTrainingJob", "reaching")]


def test_children_of_old_attempts_go_when_a_new_one_starts() -> None:
    job = a_job().with_policy(maxAttempts=9, backoffSeconds=0).after_attempts("Failed", "Failed", "Failed")
    plan = reconcile(job.seen())

    assert deletions(plan) == [("ConfigMap", "reaching-a1"), ("Service", "reaching-a1"), ("Job", "reaching-a1")]


def test_a_job_that_kueue_holds_is_queued() -> None:
    job = reconciled(a_job().with_spec(queue="lab-queue").prepared())
    plan = reconcile(job.with_child(suspended_job(job.attempt_manifest(1))).seen())

    assert plan.status.phase == "Queued"
    assert "Kueue" in message_of(plan, "Running")


def test_a_job_that_kueue_preempts_has_not_failed() -> None:
    job = a_job().with_spec(queue="lab-queue").running_attempt(1)
    job = job.with_child(suspended_job(job.attempt_manifest(1))).with_pod(a_pod(job).ended(75).deleted().manifest)
    plan = reconcile(job.seen())

    assert (plan.status.attempts[0].outcome, plan.status.attempts[0].reason) == ("Preempted", "QueuePreempted")
    assert deletions(reconcile(reconciled(job).seen())) == [("Job", "reaching-a1")]


def test_pods_that_cannot_start_are_explained_and_do_not_fail_the_job() -> None:
    job = reconciled(a_job().prepared())
    job = job.with_child(job.attempt_manifest(1))
    for pod, word in (
        (a_pod(job).unschedulable("0/3 nodes: insufficient nvidia.com/gpu."), "insufficient nvidia.com/gpu"),
        (a_pod(job).waiting("ImagePullBackOff", "no such image"), "no such image"),
        (a_pod(job).waiting("CreateContainerConfigError", 'secret "lab-s3" not found'), 'secret "lab-s3" not found'),
    ):
        plan = reconcile(job.with_pod(pod.manifest).seen())
        assert plan.status.phase == "Queued"
        assert word in message_of(plan, "Running")
        assert [turn.type for turn in plan.events] == ["Warning"]


def test_an_attempt_job_without_a_status_entry_is_adopted() -> None:
    job = a_job().with_gpus(2).prepared()
    plan = reconcile(job.with_child(job.attempt_manifest(1)).seen())

    assert plan.apply == []
    assert plan.status.attempt == 1
    assert plan.status.attempts[0].gpus == 2


def test_a_prepare_job_without_a_status_entry_is_adopted() -> None:
    job = a_job()
    plan = reconcile(job.with_child(job.prepare_manifest(1)).seen())

    assert plan.apply == []
    assert plan.status.preparation.tries == 1


def test_a_child_that_the_api_server_refuses_is_explained() -> None:
    from dataclasses import replace

    plan = reconcile(replace(a_job().prepared(), refusal="the API server refuses Job reaching-a1: quota").seen())

    assert plan.apply == []
    assert "quota" in message_of(plan, "Running")


def test_a_manifest_that_only_pydantic_refuses_fails_the_job() -> None:
    plan = reconcile(a_job().with_spec(training={"epochs": -1}).seen())

    assert plan.status.phase == "Failed"
    assert "training.epochs" in message_of(plan, "Failed")


def test_a_job_on_its_way_out_is_left_alone() -> None:
    job = a_job().prepared()
    seen = job.seen()
    seen.manifest["metadata"] = deleted_object(seen.manifest)["metadata"]

    plan = reconcile(seen)
    assert (plan.apply, plan.delete, plan.events) == ([], [], [])
