"""Gangs and tries of the preparation on nodes that do not answer any more."""

from dataclasses import replace

import pytest

from posefleet_api.constants import COMPONENT_PREPARE
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.cluster.polling import Polling
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import JobBuilder, PodBuilder, a_job, a_pod, a_report, ago, deleted_object, finished_job
from unit.operator.plans import condition_of, deletions, message_of, reasons, reconciled


def gang() -> JobBuilder:
    """A gang of two nodes that has run for 300 s, with a long ``stallSeconds``."""
    job = a_job().with_gpus(1, nodes=2).with_policy(stallSeconds=9000).running_attempt(1, started=300)
    return replace(job, polled_since=ago(300))


def on_lost_node(job: JobBuilder, rank: int = 1) -> PodBuilder:
    return a_pod(job, 1, rank).running(300).unreachable()


def stopping(job: JobBuilder) -> JobBuilder:
    """The Job of the attempt is being deleted and waits for its pods."""
    return job.with_child(deleted_object(job.attempt_manifest(1), 200))


def test_a_gang_with_a_lost_node_does_not_claim_that_all_pods_run() -> None:
    job = gang()
    plan = reconcile(job.with_pod(on_lost_node(job).manifest).seen())

    assert condition_of(plan, "Running") == ("False", "NodeLost")
    assert "node node-1 of pod reaching-a1-1-x does not answer" in message_of(plan, "Running")
    assert "out-of-service" in message_of(plan, "Running")
    assert [(e.reason.severity, e.reason.name) for e in plan.events] == [("Warning", "NodeLost")]
    assert plan.status.phase != "Running"
    assert plan.status.attempts[0].outcome is None
    assert plan.requeue_after == 5


def test_a_gang_of_which_only_pods_on_a_dead_node_are_left_is_ended_at_once() -> None:
    job = gang().with_pod(a_pod(gang(), 1, 0).ended(76).manifest)
    plan = reconcile(job.with_pod(on_lost_node(job).deleted(5).manifest).seen())

    attempt = plan.status.attempts[0]
    assert (attempt.outcome, attempt.reason) == ("Preempted", "NodeLost")
    assert attempt.message == "node node-1 of pod reaching-a1-1-x does not answer"
    assert plan.status.failed_attempts == 0


def test_a_gang_that_the_taint_manager_deletes_from_a_dead_node_says_so() -> None:
    job = gang().with_pod(a_pod(gang(), 1, 0).ended(76).manifest)
    lost = on_lost_node(job).deleted(5)
    tainted = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager", "message": "taint"}
    lost.manifest["status"]["conditions"].append(tainted)
    assert reconcile(job.with_pod(lost.manifest).seen()).status.attempts[0].reason == "DeletionByTaintManager"


def test_a_failure_before_the_node_was_lost_stays_the_cause() -> None:
    job = gang().with_pod(a_pod(gang(), 1, 0).ended(1, "boom").manifest)
    plan = reconcile(job.with_pod(on_lost_node(job).deleted(1).manifest).seen())
    assert plan.status.attempts[0].outcome == "Failed"


def test_a_pod_that_was_force_deleted_from_a_dead_node_was_lost_with_it() -> None:
    job = gang().with_pod(a_pod(gang(), 1, 0).ended(76).manifest)
    job = job.with_child(finished_job(job.attempt_manifest(1), "Failed", pods=2))
    gone = on_lost_node(job).deleted(5).seen.tombstone()
    seen = job.seen()
    plan = reconcile(replace(seen, pods=(*(pod for pod in seen.pods if pod.rank == 0), gone)))
    assert (plan.status.attempts[0].outcome, plan.status.attempts[0].reason) == ("Preempted", "NodeLost")


def test_training_that_goes_on_behind_a_node_that_does_not_answer_is_left_alone() -> None:
    job = gang().saying(a_report(1, 5))
    for pods in ([0], [0, 1]):
        seen = job
        for rank in pods:
            seen = seen.with_pod(on_lost_node(job, rank).deleted(500).manifest)
        plan = reconcile(seen.seen())
        assert condition_of(plan, "Running") == ("True", "AllPodsRun")
        assert plan.status.attempts[0].outcome is None

    silent = replace(seen.seen(), polling=Polling(silent_for=60))
    assert reconcile(silent).status.attempts[0].reason == "NodeLost"


@pytest.mark.parametrize(
    ("conditions", "lost"),
    [
        ([("Ready", "False", ""), ("ContainersReady", "True", "")], True),
        ([("Ready", "Unknown", ""), ("ContainersReady", "True", "")], True),
        ([("Ready", "False", "ContainersNotReady"), ("ContainersReady", "False", "ContainersNotReady")], False),
        ([("Ready", "False", "ReadinessGatesNotReady"), ("ContainersReady", "True", "")], False),
        ([("Ready", "True", ""), ("ContainersReady", "True", "")], False),
        ([], False),
    ],
)
def test_a_lost_node_is_recognised_by_what_a_kubelet_never_says(
    conditions: list[tuple[str, str, str]], lost: bool
) -> None:
    pod = a_pod().running()
    pod.manifest["status"]["conditions"] = [
        {"type": kind, "status": status, "reason": reason} for kind, status, reason in conditions
    ]
    assert pod.seen.unreachable == lost
    pod.manifest["status"]["reason"] = "NodeLost"
    assert pod.seen.unreachable


def ended() -> JobBuilder:
    """The attempt on the lost node was ended so long ago that the pause after it is over."""
    job = a_job().after_attempts("Preempted", reason="NodeLost")
    attempt = job.status.attempts[0].model_copy(update={"end_time": to_timestamp(ago(900))})
    return job.with_status(attempts=[attempt])


@pytest.mark.parametrize(("seconds", "starts"), [(179, False), (180, True)])
def test_the_next_attempt_waits_for_a_lost_pod_only_as_long_as_it_may_take_to_end(seconds: float, starts: bool) -> None:
    job = stopping(ended()).with_pod(on_lost_node(ended(), 0).deleted(seconds).manifest)
    plan = reconcile(job.seen())

    assert (plan.status.current_attempt == 2) == starts
    if not starts:
        assert condition_of(plan, "Running") == ("False", "NodeLost")


def test_a_pod_that_does_not_end_on_a_node_that_answers_is_waited_for() -> None:
    job = stopping(ended()).with_pod(a_pod(ended(), 1, 0).running(3000).deleted(3000).manifest)
    plan = reconcile(job.seen())

    assert plan.create == []
    assert condition_of(plan, "Running") == ("False", "WaitingForOldPods")


def test_a_job_that_is_not_being_deleted_is_waited_for_even_if_its_pods_are_given_up() -> None:
    job = ended().with_child(ended().attempt_manifest(1)).with_pod(on_lost_node(ended(), 0).deleted(3000).manifest)
    plan = reconcile(job.seen())
    assert (plan.create, deletions(plan)) == ([], [("Job", "reaching-a1")])


def test_a_suspension_does_not_wait_for_a_lost_pod_for_ever() -> None:
    job = a_job().with_spec(suspend=True).running_attempt(1)

    def seen(seconds: float) -> JobBuilder:
        return stopping(job).with_pod(on_lost_node(job, 0).deleted(seconds).manifest)

    assert condition_of(reconcile(seen(179).seen()), "Suspended") == ("False", "Suspending")
    after = reconciled(seen(180))
    assert (after.status.attempts[0].outcome, after.status.attempts[0].reason) == ("Preempted", "Suspended")
    plan = reconcile(after.seen())
    assert condition_of(plan, "Suspended") == ("True", "Suspended")
    assert reasons(plan) == ["Suspended"]


def test_a_suspension_of_a_gang_that_has_ended_beside_a_lost_pod_of_an_earlier_one_goes_on() -> None:
    job = a_job().with_spec(suspend=True).after_attempts("Preempted")
    job = stopping(job).with_pod(on_lost_node(job, 0).deleted(500).manifest)
    assert reconcile(job.seen()).status.phase == "Suspended"


def test_a_preparation_on_a_node_that_does_not_answer_says_so_and_is_tried_again_when_it_was_deleted() -> None:
    job = reconciled(a_job())
    job = job.with_child(job.prepare_manifest(1))
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).running(300).unreachable()
    plan = reconcile(job.with_pod(pod.manifest).seen())
    assert condition_of(plan, "Prepared") == ("False", "NodeLost")
    assert reasons(plan) == ["NodeLost"]

    after = reconciled(job.with_pod(pod.deleted(1).manifest))
    assert after.status.preparation.end_time is not None
    assert after.status.preparation.failures == 0


def test_a_gang_that_still_starts_says_which_node_it_has_lost() -> None:
    job = gang()
    starting = job.with_status(attempts=[job.status.attempts[0].model_copy(update={"running_time": None})])
    starting = starting.with_pod(a_pod(job, 1, 0).manifest).with_pod(on_lost_node(job).manifest)
    assert condition_of(reconcile(starting.seen()), "Running") == ("False", "NodeLost")
