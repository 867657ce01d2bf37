"""Why pods do not run yet."""

from dataclasses import replace
from datetime import timedelta

import pytest

from posefleet_api.constants import COMPONENT_PREPARE
from posefleet_api.dataset import Storage
from posefleet_operator import reasons
from posefleet_operator.cluster.ages import Ages
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.observation import Refusal
from posefleet_operator.plan import Waiting
from posefleet_operator.policies.waiting import (
    may_lack_pods,
    pods_refused,
    waiting_for_pods,
    what_blocks_creation,
    why_waiting,
)
from unit.operator.builders import NOW, JobBuilder, PodBuilder, a_job, a_pod, ages_at, finished_job, suspended_job


def test_pods_that_take_long_are_named() -> None:
    assert waits(a_pod()).reason.name == "PodsStarting"
    assert "kubectl describe pod reaching-a1-0-x" in waits(a_pod(), seconds=300).message
    assert "kubectl describe job reaching-a1" in waits(seconds=300).message


def waits(*pods: PodBuilder, nodes: int = 1, seconds: float = 0, **storage: str) -> Waiting:
    """Why these pods wait so many seconds after ``NOW``; they were created 60 s before it."""
    job = ChildJob.read(a_job().attempt_manifest(1))
    store = Storage.model_validate({"endpoint": "https://minio:9000", **storage}) if storage else None
    seen = [pod.seen for pod in pods]
    return why_waiting(job, seen, nodes, store, ages_at(NOW + timedelta(seconds=seconds), job, *seen))


def test_pods_are_slow_after_two_minutes() -> None:
    assert waits(a_pod(), seconds=59).reason == reasons.PODS_STARTING
    assert waits(a_pod(), seconds=60).reason == reasons.SLOW_START
    assert waits(seconds=59).reason == reasons.PODS_STARTING
    assert waits(seconds=60).reason == reasons.SLOW_START
    assert waits(a_pod().running(), seconds=600).reason == reasons.PODS_STARTING
    assert waits(a_pod().ended(1), seconds=600).reason == reasons.PODS_STARTING


def test_the_pods_that_run_are_counted_and_looked_at_again_in_ten_seconds() -> None:
    job = a_job().with_gpus(1, nodes=3)
    waiting = waits(a_pod(job, rank=0).running(), a_pod(job, rank=1).running(), a_pod(job, rank=2), nodes=3)
    assert (waiting.message, waiting.requeue_seconds) == ("2 of 3 pods run", 10)
    assert waits(a_pod(), seconds=60).requeue_seconds == 30


def test_a_deleted_pod_is_overdue_a_minute_after_its_grace_period() -> None:
    assert waits(a_pod().running().deleted(179)).reason == reasons.PODS_STARTING
    assert waits(a_pod().ended(75).deleted(999)).reason == reasons.PODS_STARTING
    waiting = waits(a_pod().running().deleted(180))
    assert (waiting.reason, waiting.requeue_seconds) == (reasons.WAITING_FOR_OLD_PODS, 5)
    assert "pod reaching-a1-0-x" in waiting.message


def test_pods_are_missing_once_the_job_controller_has_had_the_time_to_create_them() -> None:
    started = a_job().with_gpus(1, nodes=2).attempt_manifest(1)

    def lacks(manifest: Manifest, *pods: PodBuilder, seconds: float = 1) -> bool:
        job = ChildJob.read(manifest)
        ages = Ages({("admitted", job.identity.uid): seconds})
        return may_lack_pods(job, [pod.seen for pod in pods], ages)

    assert lacks(started)
    assert lacks(started, a_pod())
    assert not lacks(started, a_pod(), a_pod(rank=1))
    assert not lacks(started, seconds=0.9)
    assert not lacks(suspended_job(started))
    assert not lacks(finished_job(started, "Failed"))
    assert not lacks(suspended_job(started), a_pod(), a_pod(rank=1))


def test_pods_of_a_job_that_does_not_exist_yet_are_about_to_start() -> None:
    assert why_waiting(None, [], 1, None, Ages({})).reason == reasons.PODS_STARTING


def test_pods_that_the_api_server_refuses_are_looked_for_again_soon() -> None:
    job = ChildJob.read(a_job().attempt_manifest(1))
    seen = replace(a_job().seen(), pod_refusal="exceeded quota: gpus")
    waiting = pods_refused(seen, job, [])
    assert waiting is not None
    assert (waiting.reason, waiting.requeue_seconds) == (reasons.REFUSED, 2)
    assert "Job reaching-a1: exceeded quota: gpus; " in waiting.message
    assert pods_refused(seen, job, [a_pod().seen]) is None
    assert pods_refused(seen, None, []) is None
    assert pods_refused(a_job().seen(), job, []) is None


def test_a_manifest_that_is_not_understood_waits_for_an_edit_alone() -> None:
    waiting = what_blocks_creation(a_job().running_attempt(1).with_spec(colour="red").seen())
    assert waiting is not None
    assert (waiting.reason, waiting.requeue_seconds) == (reasons.NOT_UNDERSTOOD, None)


def test_at_most_four_old_pods_are_named() -> None:
    waiting = waiting_for_pods(list("abcdef"), ())
    assert waiting.reason == reasons.STOPPING_OLD_PODS
    assert waiting.message == "waiting for a, b, c, d; the next ones start when these have ended"


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"])
def test_an_image_that_cannot_be_had_is_explained_with_the_kubelets_reason(reason: str) -> None:
    waiting = waits(a_pod().waiting(reason, "no such image"))
    assert waiting.reason.name == reason
    assert waiting.message == (
        "pod reaching-a1-0-x cannot get its image: no such image; "
        "correct the operator's trainer image, or pod.imagePullSecrets"
    )


@pytest.mark.parametrize("reason", ["CreateContainerConfigError", "CreateContainerError"])
def test_a_container_that_cannot_be_created_is_explained_with_the_kubelets_reason(reason: str) -> None:
    waiting = waits(a_pod().waiting(reason, "it broke"))
    assert waiting.reason.name == reason
    assert waiting.message == (
        "pod reaching-a1-0-x cannot start: it broke; create what is missing, and it starts by itself"
    )


def test_a_pod_that_no_node_takes_is_explained_in_the_schedulers_words() -> None:
    assert waits(a_pod().unschedulable("0/3 nodes are available.")).message == (
        "no node takes pod reaching-a1-0-x: 0/3 nodes are available; it starts as soon as a node has room; "
        "otherwise change spec.resources or the queue"
    )


def test_volumes_are_missing_only_where_an_authority_is_mounted_and_after_ten_seconds() -> None:
    with_authority = {"caSecretRef": {"name": "lab-ca"}}
    assert waits(a_pod().unready(10), **with_authority).reason == reasons.VOLUMES_MISSING
    assert waits(a_pod().unready(9), **with_authority).reason == reasons.PODS_STARTING
    assert waits(a_pod().unready(10), credentialsSecretRef={"name": "lab-s3"}).reason == reasons.PODS_STARTING
    assert waits(a_pod().unready(10)).reason == reasons.PODS_STARTING
    assert waits(a_pod().running(), **with_authority).reason == reasons.PODS_STARTING


def blocked(job: JobBuilder) -> Waiting | None:
    return what_blocks_creation(job.seen())


def test_nothing_blocks_a_job_whose_former_pods_have_ended() -> None:
    job = a_job().after_attempts("Preempted")
    finished = job.with_child(finished_job(job.attempt_manifest(1), "Failed")).with_pod(a_pod(job).ended(75).manifest)
    assert blocked(job) is None
    assert blocked(finished) is None


def test_a_former_job_blocks_until_it_has_finished() -> None:
    job = a_job().after_attempts("Preempted")
    waiting = blocked(job.with_child(job.attempt_manifest(1)))
    assert waiting is not None
    assert (waiting.reason, waiting.message[:27]) == (reasons.STOPPING_OLD_PODS, "waiting for Job reaching-a1")


def test_what_the_preparation_left_does_not_block() -> None:
    job = a_job().prepared()
    preparing = a_pod(job, 1, component=COMPONENT_PREPARE).running()
    assert blocked(job.with_child(job.prepare_manifest(1)).with_pod(preparing.manifest)) is None


def test_a_refusal_is_tried_again_and_missing_defaults_are_waited_for() -> None:
    refused = blocked(
        replace(
            a_job().prepared(), refusal=Refusal(reasons.REFUSED, "the API server refuses Job x: quota; ask for more")
        )
    )
    assert refused is not None
    assert (refused.reason, refused.requeue_seconds) == (reasons.REFUSED, 30)
    assert refused.message == "the API server refuses Job x: quota; ask for more"
    incomplete = blocked(a_job().with_spec(storage=None).prepared())
    assert incomplete is not None
    assert (incomplete.reason, incomplete.requeue_seconds) == (reasons.INCOMPLETE, None)
    assert incomplete.message.endswith("(the operator's trainer defaults have changed)")
