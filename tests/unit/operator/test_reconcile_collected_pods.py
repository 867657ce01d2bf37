"""Reconciles of jobs whose children have finished and whose pods are gone."""

from dataclasses import replace

from posefleet_api.constants import COMPONENT_PREPARE
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import JobBuilder, a_job, a_pod, deleted_object, finished_job
from unit.operator.plans import condition_of, kinds, message_of, reconciled

#: As the Job controller of Kubernetes 1.34 writes it.
EXITED = "Container trainer for pod lab/reaching-a1-0-x failed with exit code {} matching FailJob rule at index 0"
POLICY = "PodFailurePolicy"


def without_pods(job: JobBuilder, condition: str, **said: str) -> JobBuilder:
    """The attempt's Job has finished long ago and its pods are gone, and no operator has seen their ends."""
    child = finished_job(job.attempt_manifest(1), condition, seconds_ago=600, **said)
    return replace(job, pods=()).with_child(child)


def test_a_complete_job_whose_pods_are_gone_is_a_success() -> None:
    plan = reconcile(without_pods(a_job().running_attempt(1), "Complete").seen())

    assert (plan.status.attempts[0].outcome, plan.status.attempts[0].reason) == ("Succeeded", "Completed")
    assert plan.status.phase == "Succeeded"
    assert "results are in the store" in message_of(plan, "Succeeded")


def test_a_complete_job_that_somebody_deletes_is_a_success() -> None:
    job = a_job().running_attempt(1)
    child = deleted_object(finished_job(job.attempt_manifest(1), "Complete"))
    assert reconcile(replace(job, pods=()).with_child(child).seen()).status.phase == "Succeeded"


def test_a_failed_job_whose_pods_are_gone_counts_against_the_budget() -> None:
    job = a_job().with_policy(maxFailures=1).running_attempt(1)
    words = {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
    plan = reconcile(without_pods(job, "Failed", **words).seen())

    assert (plan.status.attempts[0].outcome, plan.status.attempts[0].reason) == ("Failed", "JobFailed")
    assert "BackoffLimitExceeded: Job has reached the specified backoff limit" in plan.status.attempts[0].message
    assert (plan.status.failed_attempts, plan.status.phase) == (1, "Failed")


def test_a_failed_job_that_says_nothing_counts_against_the_budget_too() -> None:
    plan = reconcile(without_pods(a_job().running_attempt(1), "Failed").seen())

    assert plan.status.failed_attempts == 1
    assert "(no reason is given)" in plan.status.attempts[0].message


def test_an_attempt_whose_collected_pod_exited_with_78_is_the_last() -> None:
    job = without_pods(a_job().running_attempt(1), "Failed", reason=POLICY, message=EXITED.format(78))
    plan = reconcile(job.seen())

    assert (plan.status.attempts[0].outcome, plan.status.phase) == ("InvalidInput", "Failed")
    assert condition_of(plan, "Failed") == ("True", "InvalidInput")
    assert "pod reaching-a1-0-x: the manifest or the dataset is wrong" in message_of(plan, "Failed")


def test_an_operator_that_was_away_does_not_take_a_collected_pod_that_exited_with_78_for_a_deleted_one() -> None:
    job = without_pods(a_job().running_attempt(1), "Failed", reason=POLICY, message=EXITED.format(78))
    last_seen = a_pod(job).running().seen.tombstone()
    plan = reconcile(replace(job.seen(), pods=(last_seen,)))

    assert (plan.status.attempts[0].outcome, plan.status.phase) == ("InvalidInput", "Failed")


def prepared_without_pods(condition: str, **said: str) -> JobBuilder:
    job = reconciled(a_job())
    return job.with_child(finished_job(job.prepare_manifest(1), condition, seconds_ago=600, **said))


def test_a_complete_preparation_whose_pod_is_gone_has_prepared_the_data() -> None:
    job = reconciled(prepared_without_pods("Complete"))

    assert condition_of(reconcile(job.seen()), "Prepared") == ("True", "Prepared")
    assert kinds(reconcile(reconciled(job).seen()))[-1] == ("Job", "reaching-a1")


def test_a_preparation_whose_collected_pod_exited_with_78_ends_the_job() -> None:
    message = EXITED.format(78).replace("-a1-0-", "-prepare-1-")
    plan = reconcile(prepared_without_pods("Failed", reason=POLICY, message=message).seen())

    assert condition_of(plan, "Failed") == ("True", "InvalidInput")


def test_a_failed_preparation_whose_pod_is_gone_is_counted() -> None:
    assert reconcile(prepared_without_pods("Failed").seen()).status.preparation.failures == 1


def test_a_failed_preparation_is_explained_by_its_pod_where_that_is_known() -> None:
    job = reconciled(a_job())
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).ended(69)
    child = finished_job(job.prepare_manifest(1), "Failed", reason=POLICY, message=EXITED.format(69))
    assert reconcile(job.with_child(child).with_pod(pod.manifest).seen()).status.preparation.unreachable == 1
