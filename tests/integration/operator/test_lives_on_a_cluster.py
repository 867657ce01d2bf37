"""Whole lives of jobs on a real API server with real controllers."""

from typing import Any

import pytest

from integration.operator.stage import COMPLETED, Stage
from support.operator_process import OperatorProcess
from support.waiting import wait_for

pytestmark = pytest.mark.cluster

WITH_RESULTS = {
    "exit": 0,
    "after": 1.5,
    "message": {
        "reason": "Completed",
        "message": "trained 100 steps",
        "progress": {"stage": "report", "step": 100, "steps": 100, "percent": 100, "loss": 0.25},
        "artifacts": {"report": "s3://lab-results/reaching/report/index.html"},
        "lastCheckpoint": {"uri": "s3://c", "step": 100, "time": "2026-01-31T11:00:00Z", "sha256": "0" * 64},
    },
}


def test_a_manifest_becomes_a_prepared_trained_and_reported_job(stage: Stage, operator: OperatorProcess) -> None:
    prepared = {"exit": 0, "message": {"reason": "Prepared", "message": "61 frames", "warnings": ["row 4 dropped"]}}
    stage.apply("reaching", {"prepare": prepared, "1": WITH_RESULTS}, nodes=2)
    status = stage.wait_for_phase("reaching", "Succeeded")

    assert [a["outcome"] for a in status["attempts"]] == ["Succeeded"]
    assert status["attempts"][0]["nodes"] == ["lab-node", "lab-node"]
    assert status["artifacts"]["report"].endswith("index.html")
    assert status["progress"]["loss"] == 0.25
    assert status["gpuSeconds"] >= 2
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "Prepared": "True", "Running": "False", "Suspended": "False", "UpToDate": "True",
        "Succeeded": "True", "Failed": "False", "Finished": "True",
    }  # fmt: skip
    recorded = [event for event in stage.events("reaching") if event[1] not in {"Training", "Reporting"}]
    assert recorded == [
        ("Normal", "PrepareStarted"),
        ("Normal", "Prepared"),
        ("Warning", "DataWarning"),
        ("Normal", "AttemptStarted"),
        ("Normal", "AttemptRunning"),
        ("Normal", "AttemptSucceeded"),
        ("Normal", "Succeeded"),
    ]
    assert stage.batch.read_namespaced_job("reaching-a1", stage.namespace).status.succeeded == 2


def test_the_logs_of_each_attempt_are_named_where_people_look(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": {"exit": 1, "after": 0.5}, "2": COMPLETED})
    status = stage.wait_for_phase("reaching", "Succeeded")

    folder = "s3://lab-results/reaching/attempts/"
    assert [a["logs"] for a in status["attempts"]] == [f"{folder}1/", f"{folder}2/"]
    assert f"{folder}2/" in stage.kubectl("describe", "ptj", "reaching")


def test_invalid_input_ends_a_job_before_any_training_pod_exists(stage: Stage, operator: OperatorProcess) -> None:
    text = "labels row 14: img007.png does not exist in s3://lab-data/mouse; upload it or remove the row"
    stage.apply("reaching", {"prepare": {"exit": 78, "message": {"reason": "InvalidInput", "message": text}}})
    status = stage.wait_for_phase("reaching", "Failed")

    (failed,) = [c for c in status["conditions"] if c["type"] == "Failed"]
    assert (failed["reason"], failed["message"]) == ("InvalidInput", text)
    assert stage.pods("reaching", 1) == []


def test_a_crash_is_counted_and_followed_by_another_attempt(stage: Stage, operator: OperatorProcess) -> None:
    crash = {"exit": 1, "after": 1, "message": {"reason": "Error", "message": "ValueError: boom"}}
    stage.apply("reaching", {"1/1": crash, "2": COMPLETED}, nodes=2)
    status = stage.wait_for_phase("reaching", "Succeeded")

    assert [a["outcome"] for a in status["attempts"]] == ["Failed", "Succeeded"]
    assert "boom" in status["attempts"][0]["message"]
    assert status["failedAttempts"] == 1
    assert ("Warning", "AttemptFailed") in stage.events("reaching")


def test_a_killed_pod_is_a_failure_that_says_so(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": {"exit": 137, "after": 0.5}, "2": COMPLETED})
    status = stage.wait_for_phase("reaching", "Succeeded")

    assert status["attempts"][0]["reason"] == "Killed"
    assert "exit 137" in status["attempts"][0]["message"]


def test_a_deleted_pod_is_a_preemption(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"2": COMPLETED}, nodes=2)
    stage.wait_until_acting("reaching", 1)
    stage.core.delete_namespaced_pod(stage.pods("reaching", 1)[1].metadata.name, stage.namespace)
    status = stage.wait_for_phase("reaching", "Succeeded")

    assert [(a["outcome"], a["reason"]) for a in status["attempts"]] == [
        ("Preempted", "PodDeleted"), ("Succeeded", "Completed"),
    ]  # fmt: skip
    assert status["failedAttempts"] == 0


def test_a_deleted_job_of_an_attempt_is_a_preemption(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"2": COMPLETED})
    stage.wait_until_acting("reaching", 1)
    stage.batch.delete_namespaced_job("reaching-a1", stage.namespace, propagation_policy="Background")
    status = stage.wait_for_phase("reaching", "Succeeded")

    assert [a["outcome"] for a in status["attempts"]] == ["Preempted", "Succeeded"]
    assert status["attempts"][0]["reason"] in {"PodDeleted", "JobDeleted"}


def test_suspend_gives_the_pods_back_and_resume_goes_on(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"2": COMPLETED})
    stage.wait_until_acting("reaching", 1)
    stage.patch("reaching", suspend=True)
    status = stage.wait_for_phase("reaching", "Suspended")
    assert status["attempts"][0]["reason"] == "Suspended"
    assert stage.pods("reaching", 1) == []

    stage.patch("reaching", suspend=False)
    status = stage.wait_for_phase("reaching", "Succeeded")
    assert len(status["attempts"]) == 2


def test_progress_of_rank_0_appears_in_the_table(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": {"step": 420}})
    wait_for("progress", lambda: stage.status("reaching").get("progress"))

    head, row = stage.kubectl("get", "ptj").splitlines()
    assert head.split() == [
        "NAME",
        "PHASE",
        "QUEUE-POS",
        "PROGRESS",
        "ETA",
        "LOSS",
        "PIXEL-ERR",
        "GPUS",
        "ATTEMPT",
        "LAST-CKPT",
        "AGE",
    ]
    assert row.split()[:4] == ["reaching", "Running", "train", "42%"]


def test_an_attempt_without_a_step_is_stalled(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": {"step": 5}, "2": COMPLETED}, failurePolicy={"stallSeconds": 10, "backoffSeconds": 1})
    status = stage.wait_for_phase("reaching", "Succeeded")

    assert [a["outcome"] for a in status["attempts"]] == ["Stalled", "Succeeded"]


def test_a_deadline_ends_the_job_and_its_pods(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", activeDeadlineSeconds=8)
    status = stage.wait_for_phase("reaching", "Failed")

    assert status["attempts"][0]["outcome"] == "DeadlineExceeded"
    wait_for("no pods", lambda: not stage.pods("reaching", 1))


def test_a_queued_job_waits_for_kueue_and_keeps_what_kueue_sets(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": COMPLETED}, queue="lab-queue")
    stage.wait_for_phase("reaching", "Queued")

    def handed_over() -> Any:
        job = stage.batch.read_namespaced_job("reaching-a1", stage.namespace)
        return job if job.metadata.labels.get("kueue.x-k8s.io/queue-name") == "lab-queue" else None

    wait_for("a Job", lambda: "reaching-a1" in stage.kubectl("get", "jobs", "-o", "name"))
    job = wait_for("the Job to be handed over to Kueue", handed_over)
    assert job.spec.suspend
    assert stage.pods("reaching", 1) == []

    stage.batch.patch_namespaced_job("reaching-a1", stage.namespace, {"spec": {"suspend": False}})
    stage.wait_for_phase("reaching", "Succeeded")


def test_a_missing_secret_is_explained_and_the_job_goes_on_when_it_is_there(
    stage: Stage, operator: OperatorProcess
) -> None:
    storage = {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "not-yet"}}
    stage.apply("reaching", {"1": COMPLETED}, storage=storage)
    remedy = "create the Secret not-yet in namespace"
    wait_for("the remedy", lambda: remedy in str(stage.status("reaching").get("conditions")))
    assert ("Warning", "CreateContainerConfigError") in stage.events("reaching")

    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    stage.core.create_namespaced_secret(stage.namespace, {"metadata": {"name": "not-yet"}, "stringData": keys})
    stage.wait_for_phase("reaching", "Succeeded")


def test_deleting_a_job_deletes_everything_and_a_namesake_starts_afresh(
    stage: Stage, operator: OperatorProcess
) -> None:
    stage.apply("reaching")
    stage.wait_until_acting("reaching", 1)
    stage.kubectl("delete", "ptj", "reaching", "--wait=false")
    stage.wait_until_gone("reaching")
    stage.apply("reaching", {"1": COMPLETED})
    status = stage.wait_for_phase("reaching", "Succeeded")
    assert [a["number"] for a in status["attempts"]] == [1]

    stage.kubectl("delete", "ptj", "reaching")
    left = ("get", "jobs,pods,services,configmaps", "-l", "posefleet.io/job", "-o", "name")
    wait_for("the children to be gone", lambda: not stage.kubectl(*left))


def test_a_finished_job_goes_when_its_time_has_come(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": COMPLETED}, ttlSecondsAfterFinished=2)

    wait_for("the job", lambda: "reaching" in stage.kubectl("get", "ptj", "-o", "name"))
    stage.wait_until_gone("reaching")


def looks_at_jobs(operator: OperatorProcess) -> int:
    (line,) = [one for one in operator.metrics().splitlines() if one.startswith("posefleet_reconcile_seconds_count")]
    return int(float(line.split()[-1]))


def test_what_did_not_change_is_not_written(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": {"step": 5}})
    wait_for("progress", lambda: stage.status("reaching").get("progress"))
    stage.patch("reaching", ttlSecondsAfterFinished=77)
    wait_for("the edit to be seen", lambda: stage.status("reaching")["observedGeneration"] == 2)
    after = stage.job("reaching")["metadata"]["resourceVersion"]
    (pod, *_) = stage.pods("reaching", 1)
    for number in range(3):
        looks = looks_at_jobs(operator)
        touched = {"metadata": {"annotations": {"touched": str(number)}}}
        stage.core.patch_namespaced_pod(pod.metadata.name, stage.namespace, touched)
        wait_for("another look", lambda before=looks: looks_at_jobs(operator) > before)
    assert stage.job("reaching")["metadata"]["resourceVersion"] == after
    assert stage.batch.read_namespaced_job("reaching-a1", stage.namespace).metadata.generation == 2  # the release


def test_every_line_of_a_jobs_log_names_it(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": COMPLETED})
    stage.wait_for_phase("reaching", "Succeeded")

    lines = [line for line in operator.lines() if line["logger"].startswith("posefleet_operator.executor")]
    assert lines
    assert {(line["namespace"], line["job"]) for line in lines} == {(stage.namespace, "reaching")}
    assert any(line.get("attempt") == 1 for line in lines)


def test_metrics_count_what_happened_and_forget_jobs_that_are_gone(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": {**COMPLETED, "after": 2}})
    stage.wait_for_phase("reaching", "Running")
    mine = f'namespace="{stage.namespace}",training_job="reaching"'
    wait_for("its GPUs", lambda: f"posefleet_job_allocated_gpus{{{mine}}} 1.0" in operator.metrics())
    stage.wait_for_phase("reaching", "Succeeded")
    ended = f'posefleet_attempts_total{{namespace="{stage.namespace}",outcome="Succeeded",reason="Completed"}} 1.0'
    wait_for("the attempt to be counted", lambda: ended in operator.metrics())

    stage.kubectl("delete", "ptj", "reaching")
    wait_for("the job to be forgotten", lambda: mine not in operator.metrics())
