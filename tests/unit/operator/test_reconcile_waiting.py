"""What a job waits for before a gang starts or runs."""

from dataclasses import replace

from posefleet_api.constants import COMPONENT_PREPARE
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.observation import Refusal
from posefleet_operator.plan import Plan, find_condition
from posefleet_operator.reasons import REFUSED
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import JobBuilder, a_job, a_pod, ago, finished_job, suspended_job
from unit.operator.plans import condition_of, message_of, reasons, reconciled


def test_no_attempt_starts_while_pods_of_the_last_one_run() -> None:
    job = (
        a_job().after_attempts("Preempted").with_checkpoint(19).with_pod(a_pod(a_job(), 1).running().deleted().manifest)
    )
    plan = reconcile(job.seen())

    assert plan.create == []
    assert "reaching-a1-0-x" in message_of(plan, "Running")


def test_no_attempt_starts_while_a_deleted_namesake_still_runs() -> None:
    namesake = replace(a_job(), uid="uid-0")
    job = a_job().prepared().with_pod(a_pod(namesake, 7).running().manifest)
    plan = reconcile(job.seen())

    assert plan.create == []
    assert "reaching-a7-0-x" in message_of(plan, "Running")


def test_a_lost_node_is_named_when_it_holds_everything_up() -> None:
    job = (
        a_job()
        .after_attempts("Preempted")
        .with_checkpoint(19)
        .with_pod(a_pod(a_job(), 1).running().deleted(600).manifest)
    )
    plan = reconcile(job.seen())

    assert "kubectl delete --force" in message_of(plan, "Running")
    assert reasons(plan) == ["WaitingForOldPods"]


def test_a_job_that_kueue_holds_is_queued() -> None:
    job = reconciled(a_job().with_spec(queue="lab-queue").prepared())
    plan = reconcile(job.with_child(suspended_job(job.attempt_manifest(1))).seen())

    assert plan.status.phase == "Queued"
    assert "Kueue" in message_of(plan, "Running")


def test_pods_of_an_earlier_admission_have_no_part_in_the_present_one() -> None:
    job = reconciled(a_job().with_spec(queue="lab-queue").with_gpus(1, nodes=2).prepared())
    made = job.attempt_manifest(1)
    admitted = {**made, "spec": {**made["spec"], "suspend": False}, "status": {"startTime": to_timestamp(ago(65))}}
    taken = a_pod(job, 1, 0).ended(143, seconds_ago=66).at_version(1)
    old = {"name": "reaching-a1-0-old", "uid": "old", "creationTimestamp": to_timestamp(ago(70))}
    gone = ChildPod.read({**taken.manifest, "metadata": {**taken.manifest["metadata"], **old}}).tombstone()

    waits = job.with_child(admitted).with_pod(a_pod(job, 1, 0).running().manifest).seen()
    assert reconcile(replace(waits, pods=(*waits.pods, gone))).status.phase == "Starting"

    running = [a_pod(job, 1, rank).running().manifest for rank in (0, 1)]
    job = reconciled(job.with_child(admitted).with_pod(running[0]).with_pod(running[1]))
    failed = finished_job(admitted, "Failed", pods=2)
    failed["status"]["startTime"] = admitted["status"]["startTime"]
    job = job.with_child(failed).with_pod(a_pod(job, 1, 0).ended(76).manifest)
    ended = job.with_pod(a_pod(job, 1, 1).ended(137, reason="OOMKilled").manifest).seen()
    plan = reconcile(replace(ended, pods=(*ended.pods, gone)))
    assert (plan.status.attempts[0].outcome, plan.status.attempts[0].reason) == ("Failed", "OOMKilled")
    assert plan.status.failed_attempts == 1


def test_pods_that_cannot_start_are_explained_and_do_not_fail_the_job() -> None:
    job = reconciled(a_job().prepared())
    job = job.with_child(job.attempt_manifest(1))
    for pod, word in (
        (a_pod(job).unschedulable("0/3 nodes: insufficient nvidia.com/gpu."), "insufficient nvidia.com/gpu"),
        (a_pod(job).waiting("ImagePullBackOff", "no such image"), "no such image"),
        (a_pod(job).waiting("CreateContainerConfigError", 'secret "lab-s3" not found'), 'secret "lab-s3" not found'),
    ):
        plan = reconcile(job.with_pod(pod.manifest).seen())
        assert plan.status.phase == "Starting"
        assert word in message_of(plan, "Running")
        assert [event.reason.severity for event in plan.events] == ["Normal", "Warning"]


def test_a_child_that_the_api_server_refuses_is_explained() -> None:
    plan = reconcile(
        replace(a_job().prepared(), refusal=Refusal(REFUSED, "the API server refuses Job reaching-a1: quota")).seen()
    )

    assert plan.create == []
    assert "quota" in message_of(plan, "Running")


def starting(**storage: str) -> JobBuilder:
    """A job whose first attempt has been created."""
    job = a_job().with_spec(storage={"endpoint": "https://minio:9000", **storage})
    job = reconciled(job.prepared())
    return job.with_child(job.attempt_manifest(1))


def test_a_missing_secret_with_credentials_is_named_with_its_keys() -> None:
    job = starting(credentialsSecretRef={"name": "lab-s3"})
    said = ('secret "lab-s3" not found', "couldn't find key AWS_SECRET_ACCESS_KEY in Secret lab/lab-s3")
    for text in said:
        plan = reconcile(job.with_pod(a_pod(job).waiting("CreateContainerConfigError", text).manifest).seen())
        assert message_of(plan, "Running") == (
            f"pod reaching-a1-0-x cannot start: {text}; create the Secret lab-s3 in namespace lab with the keys "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (spec.storage.credentialsSecretRef), and it starts by itself"
        )


def test_a_secret_that_should_hold_all_is_named_with_all_its_keys() -> None:
    job = starting(credentialsSecretRef={"name": "lab"}, caSecretRef={"name": "lab"})
    plan = reconcile(
        job.with_pod(a_pod(job).waiting("CreateContainerConfigError", 'secret "lab" not found').manifest).seen()
    )

    assert "AWS_SECRET_ACCESS_KEY (spec.storage.credentialsSecretRef) and the key ca.crt" in message_of(plan, "Running")


def test_another_missing_secret_is_not_taken_for_the_stores() -> None:
    job = starting(credentialsSecretRef={"name": "s3"})
    pod = a_pod(job).waiting("CreateContainerConfigError", 'secret "lab-s3" not found')
    plan = reconcile(job.with_pod(pod.manifest).seen())

    assert "create what is missing" in message_of(plan, "Running")


def test_a_node_that_cannot_mount_a_missing_authority_is_explained_within_15_seconds() -> None:
    job = starting(caSecretRef={"name": "lab-ca"})
    fresh = reconcile(job.with_pod(a_pod(job).unready(1).manifest).seen())
    assert find_condition(fresh.status.conditions, "Running").reason == "PodsStarting"
    assert fresh.requeue_after is not None
    assert fresh.requeue_after <= 14

    plan = reconcile(job.with_pod(a_pod(job).unready(10).manifest).seen())
    assert reasons(plan) == ["AttemptStarted", "VolumesMissing"]
    assert "create the Secret lab-ca in namespace lab with the key ca.crt (spec.storage.caSecretRef)" in (
        message_of(plan, "Running")
    )


def test_a_slow_volume_of_a_job_without_an_authority_is_not_blamed_on_a_secret() -> None:
    job = starting(credentialsSecretRef={"name": "lab-s3"})
    plan = reconcile(job.with_pod(a_pod(job).unready(60).manifest).seen())

    assert find_condition(plan.status.conditions, "Running").reason == "PodsStarting"


def restored(plan: Plan) -> list[tuple[str, str]]:
    return [(manifest["kind"], manifest["metadata"]["name"]) for manifest in plan.restore]


def test_the_config_map_of_pods_that_cannot_mount_their_volumes_is_created_again() -> None:
    job = starting(credentialsSecretRef={"name": "lab-s3"})
    assert restored(reconcile(job.with_pod(a_pod(job).unready(9).manifest).seen())) == []
    plan = reconcile(job.with_pod(a_pod(job).unready(10).manifest).seen())
    assert restored(plan) == [("ConfigMap", "reaching-a1")]
    assert plan.create == []


def test_the_config_map_of_a_running_gang_is_left_alone() -> None:
    job = a_job().running_attempt(1)
    assert reconcile(job.seen()).restore == []


def test_a_config_map_is_not_created_again_from_a_manifest_that_was_edited() -> None:
    job = starting(credentialsSecretRef={"name": "lab-s3"})
    edited = job.with_spec(resources={"memoryPerNode": "32Gi"})
    assert restored(reconcile(edited.with_pod(a_pod(job).unready(60).manifest).seen())) == []


def test_the_config_map_of_the_preparation_is_created_again_too() -> None:
    job = reconciled(a_job())
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).unready(11)
    plan = reconcile(job.with_child(job.prepare_manifest(1)).with_pod(pod.manifest).seen())
    assert restored(plan) == [("ConfigMap", "reaching-prepare-1")]


def test_a_missing_authority_of_a_prepare_pod_is_explained_too() -> None:
    job = reconciled(a_job().with_spec(storage={"endpoint": "https://minio:9000", "caSecretRef": {"name": "lab-ca"}}))
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).unready(11)
    plan = reconcile(job.with_child(job.prepare_manifest(1)).with_pod(pod.manifest).seen())

    assert reasons(plan) == ["VolumesMissing"]
    assert "lab-ca" in message_of(plan, "Prepared")


def test_a_gang_that_waits_for_a_pod_on_a_lost_node_says_how_to_let_it_go() -> None:
    job = a_job().with_gpus(1, nodes=2).running_attempt(1)
    waiting = job.with_status(attempts=[job.status.attempts[0].model_copy(update={"running_time": None})])
    waiting = waiting.with_pod(a_pod(job, 1, 0).manifest).with_pod(a_pod(job, 1, 1).running().deleted(7200).manifest)
    plan = reconcile(waiting.seen())

    assert condition_of(plan, "Running") == ("False", "WaitingForOldPods")
    assert "pod reaching-a1-1-x" in message_of(plan, "Running")
    assert "kubectl delete --force" in message_of(plan, "Running")


def test_a_gang_whose_pods_still_end_is_not_yet_preempted_by_its_queue() -> None:
    job = a_job().with_spec(queue="lab-queue").running_attempt(1)
    plan = reconcile(job.with_child(suspended_job(job.attempt_manifest(1))).seen())

    assert plan.status.attempts[0].outcome is None
    assert plan.status.phase == "Running"


def test_a_gang_that_its_queue_has_not_admitted_yet_was_not_preempted() -> None:
    job = reconciled(a_job().with_spec(queue="lab-queue").prepared())
    plan = reconcile(job.with_child(suspended_job(job.attempt_manifest(1))).seen())

    assert plan.status.attempts[0].outcome is None
    assert condition_of(plan, "Running") == ("False", "WaitingForQueue")


def test_a_finished_job_whose_pods_are_not_seen_yet_is_looked_at_again_soon() -> None:
    job = a_job().running_attempt(1)
    plan = reconcile(replace(job, pods=()).with_child(finished_job(job.attempt_manifest(1), "Failed")).seen())

    assert plan.status.attempts[0].outcome is None
    assert plan.requeue_after == 2
