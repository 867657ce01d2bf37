"""A reconcile for every turn of a preparation."""

from dataclasses import replace

from posefleet_api.constants import COMPONENT_PREPARE
from posefleet_api.outcomes import TerminationMessage
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.plan import find_condition
from posefleet_operator.policies.lifecycle import KEPT_ATTEMPTS
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import JobBuilder, a_job, a_pod, ago, finished_job
from unit.operator.plans import condition_of, deletions, kinds, message_of, reasons, reconciled


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

    assert plan.create == []
    assert message_of(plan, "Prepared") == "61 frames, 3 videos"
    assert plan.status.preparation.warnings == ["row 4 dropped"]
    assert reasons(plan) == ["Prepared", "DataWarning"]
    assert plan.requeue_after == 0


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
    assert reconcile(failed.seen()).create == []

    plan = reconcile(failed.edited(dataset={"uri": "s3://lab-data/other/"}).seen())
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


def test_a_prepare_job_without_a_status_entry_is_adopted() -> None:
    job = a_job()
    plan = reconcile(job.with_child(job.prepare_manifest(1)).seen())

    assert plan.create == []
    assert plan.status.preparation.tries == 1


def test_a_manifest_that_only_pydantic_refuses_fails_the_job() -> None:
    plan = reconcile(a_job().with_spec(training={"epochs": -1}).seen())

    assert plan.status.phase == "Failed"
    assert "training.epochs" in message_of(plan, "Failed")


def test_a_try_on_a_node_that_is_gone_is_followed_by_another() -> None:
    job = reconciled(a_job())
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).running(3000)
    job = job.with_child(job.prepare_manifest(1))
    leaving = job.with_pod(pod.deleted(60).disrupted("DeletionByTaintManager").manifest)
    assert reconcile(leaving.seen()).status.preparation.end_time is None

    gone = reconciled(job.with_pod(pod.deleted(600).disrupted("DeletionByTaintManager").manifest))
    assert gone.status.preparation.end_time is not None
    assert gone.status.preparation.failures == 0
    assert kinds(reconcile(gone.seen(ago(-60))))[-1] == ("Job", "reaching-prepare-2")


def ended_try(job: JobBuilder, exit_code: int) -> JobBuilder:
    """The job after its current try has ended with this exit code."""
    number = job.status.preparation.tries
    pod = a_pod(job, number, component=COMPONENT_PREPARE).ended(exit_code)
    return reconciled(job.with_child(finished_job(job.prepare_manifest(number), "Failed")).with_pod(pod.manifest))


def next_try(job: JobBuilder) -> JobBuilder:
    """The job after its next try was created."""
    return reconciled(replace(job, child_jobs=(), pods=(), status=job.status.model_copy(
        update={"preparation": job.status.preparation.model_copy(update={"end_time": to_timestamp(ago(900))})}
    )))  # fmt: skip


def test_outages_in_a_row_and_failures_are_counted_separately() -> None:
    job = ended_try(next_try(ended_try(reconciled(a_job()), 69)), 69)
    assert (job.status.preparation.failures, job.status.preparation.unreachable) == (0, 2)

    job = ended_try(next_try(job), 1)
    assert (job.status.preparation.tries, job.status.preparation.failures) == (3, 1)
    assert job.status.preparation.unreachable == 0

    job = ended_try(next_try(job), 1)
    assert (job.status.preparation.failures, job.status.preparation.unreachable) == (2, 0)
    plan = reconcile(job.seen())
    assert condition_of(plan, "Prepared") == ("False", "PrepareFailed")

    job = ended_try(next_try(job), 1)
    assert job.status.phase == "Failed"
    failed = find_condition(job.status.conditions, "Failed")
    assert failed is not None
    assert (failed.reason, failed.message[:28]) == ("PrepareFailed", "3 tries failed, the last wit")


def test_a_try_whose_pod_does_not_exist_yet_is_replaced_when_its_author_changes_it() -> None:
    job = reconciled(a_job())
    job = job.with_child(job.prepare_manifest(1)).edited(resources={"memoryPerNode": "8Gi"})
    plan = reconcile(job.seen())

    assert deletions(plan) == [("Job", "reaching-prepare-1")]
    assert plan.status.preparation.fingerprint == ""


def test_warnings_of_the_preparation_are_bounded() -> None:
    job = reconciled(a_job())
    said = TerminationMessage(reason="Prepared", message="done", warnings=[f"w{n}" for n in range(100)])
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).ended(0, said)
    plan = reconcile(job.with_child(finished_job(job.prepare_manifest(1), "Complete")).with_pod(pod.manifest).seen())

    assert plan.status.preparation.warnings == [f"w{n}" for n in range(64)]


def test_a_try_whose_job_gets_no_pod_names_the_job() -> None:
    job = reconciled(a_job())
    plan = reconcile(job.with_child(job.prepare_manifest(1)).seen(ago(-60)))

    assert condition_of(plan, "Prepared") == ("False", "SlowStart")
    assert "`kubectl describe job reaching-prepare-1`" in message_of(plan, "Prepared")


def test_a_job_whose_tries_failed_is_not_reopened_by_other_data() -> None:
    failed = (
        a_job().prepared().with_status(phase="Failed", completion_time="2026-01-31T11:59:00Z")
        .with_condition("Failed", "True", "PrepareFailed")
    )  # fmt: skip
    plan = reconcile(failed.edited(dataset={"uri": "s3://lab-data/other/"}).seen())

    assert (plan.create, plan.status.phase) == ([], "Failed")


def test_no_try_starts_while_pods_of_a_deleted_namesake_run() -> None:
    namesake = replace(a_job(), uid="uid-0")
    plan = reconcile(a_job().with_pod(a_pod(namesake, 7).running().manifest).seen())

    assert plan.create == []
    assert condition_of(plan, "Prepared") == ("False", "StoppingOldPods")
    assert "reaching-a7-0-x" in message_of(plan, "Prepared")


def test_the_objects_of_a_try_that_is_no_longer_kept_are_deleted() -> None:
    tries = reconciled(a_job()).status.preparation.model_copy(update={"tries": KEPT_ATTEMPTS, "end_time": None})
    ended = tries.model_copy(update={"end_time": to_timestamp(ago(900)), "failures": 1})
    job = a_job().with_status(preparation=ended)
    plan = reconcile(job.with_child(finished_job(job.prepare_manifest(1), "Failed")).seen())

    assert ("Job", f"reaching-prepare-{KEPT_ATTEMPTS + 1}") in kinds(plan)
    assert deletions(plan) == [("ConfigMap", "reaching-prepare-1"), ("Job", "reaching-prepare-1")]
    assert plan.delete[1].uid == job.job_uid(1).replace("-a1", "-prepare-1")


def test_a_suspended_try_says_that_the_data_are_prepared_when_the_job_is_resumed() -> None:
    job = reconciled(a_job()).with_spec(suspend=True)
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).ended(75).deleted()
    plan = reconcile(job.with_child(finished_job(job.prepare_manifest(1), "Failed")).with_pod(pod.manifest).seen())

    assert condition_of(plan, "Prepared") == ("False", "Suspended")
    assert message_of(plan, "Prepared").endswith("; the data are prepared when the job is resumed")
