"""What the operator creates."""

import json

import pytest

from posefleet_api.constants import JOB_FILE
from posefleet_api.job import parse_job
from posefleet_operator.builders.attempt_job import attempt_job, attempt_service, release
from posefleet_operator.builders.names import rendezvous_port
from posefleet_operator.builders.pod_template import job_config
from posefleet_operator.builders.prepare_job import prepare_job
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.merge_patch import patched
from posefleet_operator.cluster.objects import Manifest
from unit.operator.builders import SETTINGS, JobBuilder, a_job


def attempt(job: JobBuilder, number: int = 2) -> Manifest:
    return attempt_job(job.parsed(), number, "fingerprint", "shape", job.settings)


def pod_of(manifest: Manifest) -> Manifest:
    pod: Manifest = manifest["spec"]["template"]["spec"]
    return pod


def container_of(manifest: Manifest) -> Manifest:
    (container,) = pod_of(manifest)["containers"]
    return dict(container)


def environment_of(manifest: Manifest) -> dict[str, object]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container_of(manifest)["env"]}


def test_an_attempt_is_a_gang_of_its_own_name() -> None:
    manifest = attempt(a_job().with_gpus(4, nodes=3))

    assert manifest["metadata"]["name"] == "reaching-a2"
    spec = manifest["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"], spec["backoffLimit"]) == (
        3,
        3,
        "Indexed",
        0,
    )
    assert spec["podReplacementPolicy"] == "Failed"
    assert pod_of(manifest)["restartPolicy"] == "Never"


def test_an_attempt_is_created_suspended_and_outside_of_any_queue_until_it_is_released() -> None:
    for job in (a_job(), a_job().with_spec(queue="lab-queue")):
        manifest = attempt(job)
        assert manifest["spec"]["suspend"]
        assert "kueue.x-k8s.io/queue-name" not in manifest["metadata"]["labels"]
        assert manifest["metadata"]["annotations"]["posefleet.io/held"] == "true"

    released = patched(attempt(a_job()), release(""))
    assert not released["spec"]["suspend"]
    assert "posefleet.io/held" not in released["metadata"]["annotations"]


def test_ranks_find_rank_0_by_a_name_that_the_service_serves_early() -> None:
    manifest, service = attempt(a_job()), attempt_service(a_job().parsed(), 2)

    assert environment_of(manifest)["MASTER_ADDR"] == "reaching-a2-0.reaching-a2"
    assert pod_of(manifest)["subdomain"] == service["metadata"]["name"] == "reaching-a2"
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"]
    labels = manifest["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_rendezvous_ports_differ_between_attempts_and_jobs() -> None:
    ports = {rendezvous_port(uid, number) for uid in ("a", "b", "c") for number in range(1, 5)}
    assert len(ports) == 12
    assert all(20_000 <= port < 30_000 for port in ports)


def test_a_gang_gets_what_it_asked_for() -> None:
    resources = {"nodes": 2, "gpusPerNode": 4, "gpuModel": "NVIDIA-A100", "cpusPerNode": 16, "memoryPerNode": "64Gi"}
    manifest = attempt(a_job().with_spec(resources=resources))

    wanted = {"cpu": "16", "memory": "64Gi", "nvidia.com/gpu": "4"}
    assert container_of(manifest)["resources"] == {"requests": wanted, "limits": wanted}
    assert pod_of(manifest)["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-A100"}
    assert environment_of(manifest)["POSEFLEET_NODES"] == "2"
    assert environment_of(manifest)["POSEFLEET_PROCESSES_PER_NODE"] == "4"


def test_gpus_are_asked_for_by_any_resource_and_counted_all_the_same() -> None:
    resources = {"nodes": 2, "gpusPerNode": 3, "gpuResource": "nvidia.com/mig-1g.10gb"}
    manifest = attempt(a_job().with_spec(resources=resources))

    assert container_of(manifest)["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == "3"
    assert "nvidia.com/gpu" not in container_of(manifest)["resources"]["limits"]
    assert ChildJob.read(manifest).gpus == 6


def test_extended_resources_are_for_the_gang_and_not_for_preparation() -> None:
    job = a_job().with_spec(resources={"extendedResources": {"rdma/hca": "1"}})

    resources = container_of(attempt(job))["resources"]
    assert resources["requests"]["rdma/hca"] == resources["limits"]["rdma/hca"] == "1"
    assert "rdma/hca" not in container_of(job.prepare_manifest(1))["resources"]["limits"]


def test_a_gpu_model_is_asked_for_by_the_clusters_label() -> None:
    job = a_job().with_spec(resources={"gpuModel": "MI300X"}).on_a_cluster_with(gpuModelLabel="amd.com/gpu.product")

    assert pod_of(attempt(job))["nodeSelector"] == {"amd.com/gpu.product": "MI300X"}


def test_shared_memory_leaves_half_of_the_pods_memory_to_its_processes() -> None:
    manifest = attempt(a_job().with_spec(resources={"memoryPerNode": "64Gi"}))

    (shared,) = [volume["emptyDir"] for volume in pod_of(manifest)["volumes"] if volume["name"] == "posefleet-shm"]
    assert shared == {"medium": "Memory", "sizeLimit": str(32 * 2**30)}


def test_a_full_cache_leaves_room_for_files_on_their_way_to_the_store() -> None:
    manifest = attempt(a_job().with_spec(resources={"cachePerNode": "20Gi"}))

    (cache,) = [volume["emptyDir"] for volume in pod_of(manifest)["volumes"] if volume["name"] == "posefleet-cache"]
    assert cache == {"sizeLimit": str(28 * 2**30)}


def test_pods_get_what_their_cluster_adds() -> None:
    defaults = {"tolerations": [{"key": "gpu", "operator": "Exists"}], "imagePullSecrets": [{"name": "registry"}]}
    job = a_job().on_a_cluster_with(pod=defaults)

    for manifest in (attempt(job), job.prepare_manifest(1)):
        assert pod_of(manifest)["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
        assert pod_of(manifest)["imagePullSecrets"] == [{"name": "registry"}]


def test_a_gang_without_gpus_asks_for_none_and_runs_one_process_a_pod() -> None:
    manifest = attempt(a_job().with_gpus(0))

    assert "nvidia.com/gpu" not in container_of(manifest)["resources"]["limits"]
    assert environment_of(manifest)["POSEFLEET_PROCESSES_PER_NODE"] == "1"


def test_preparation_takes_no_gpu_and_asks_for_little() -> None:
    manifest = prepare_job(a_job().with_gpus(8, nodes=4).parsed(), 1, "f", "shape", SETTINGS)

    assert container_of(manifest)["resources"]["requests"] == {"cpu": "500m", "memory": str(2**30)}
    assert "nvidia.com/gpu" not in container_of(manifest)["resources"]["limits"]
    assert container_of(manifest)["command"] == ["posefleet-trainer", JOB_FILE, "--stages", "prepare"]
    assert environment_of(manifest)["POSEFLEET_NODES"] == "1"


def test_a_job_of_a_queue_survives_that_kueue_suspends_it() -> None:
    plain, queued = (attempt(job)["spec"] for job in (a_job(), a_job().with_spec(queue="lab-queue")))
    spared = {
        "action": "Count",
        "onExitCodes": {"containerName": "trainer", "operator": "In", "values": [75, 76, 137, 143]},
    }
    rules = queued["podFailurePolicy"]["rules"]
    assert rules[2] == spared
    assert [rule for rule in rules if rule != spared] == plain["podFailurePolicy"]["rules"]
    assert (queued["backoffLimit"], queued["podReplacementPolicy"]) == (0, "Failed")


def test_the_number_of_an_attempt_comes_from_its_config_map() -> None:
    manifest = attempt(a_job())
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    (number,) = [variable for variable in container["env"] if variable["name"] == "POSEFLEET_NUMBER"]
    assert number["valueFrom"] == {"configMapKeyRef": {"name": manifest["metadata"]["name"], "key": "number"}}


def test_a_queue_is_named_to_kueue_and_the_gang_is_kueues_to_release() -> None:
    manifest = patched(attempt(a_job().with_spec(queue="lab-queue")), release("lab-queue"))

    assert "posefleet.io/held" not in manifest["metadata"]["annotations"]
    assert manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "lab-queue"
    assert manifest["spec"]["suspend"]


def test_pods_keep_to_the_restricted_standard() -> None:
    for manifest in (attempt(a_job()), prepare_job(a_job().parsed(), 1, "f", "shape", SETTINGS)):
        pod, container = pod_of(manifest), container_of(manifest)
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_credentials_are_references_and_nothing_else() -> None:
    manifest = attempt(a_job())

    secret = {"secretKeyRef": {"name": "lab-s3", "key": "AWS_SECRET_ACCESS_KEY"}}
    assert environment_of(manifest)["AWS_SECRET_ACCESS_KEY"] == secret
    token = environment_of(manifest)["AWS_SESSION_TOKEN"]
    assert token == {"secretKeyRef": {"name": "lab-s3", "key": "AWS_SESSION_TOKEN", "optional": True}}


def test_anonymous_and_local_jobs_have_no_credentials() -> None:
    job = a_job().with_spec(storage=None, dataset={"uri": "file:///data/"}, output={"uri": "file:///out/"})
    manifest = job.manifest()
    del manifest["spec"]["storage"]

    built = attempt_job(parse_job(manifest), 1, "fingerprint", "shape", SETTINGS)
    assert "AWS_ACCESS_KEY_ID" not in environment_of(built)


def test_a_private_authority_is_mounted_beside_the_job() -> None:
    storage = {"endpoint": "https://minio:9000", "caSecretRef": {"name": "lab-ca"}}
    manifest = attempt(a_job().with_spec(storage=storage))

    assert environment_of(manifest)["POSEFLEET_CA_FILE"] == "/etc/posefleet/ca/ca.crt"
    (volume,) = [v for v in pod_of(manifest)["volumes"] if "projected" in v]
    assert {"secret": {"name": "lab-ca", "items": [{"key": "ca.crt", "path": "ca/ca.crt"}]}} in volume["projected"][
        "sources"
    ]


def test_the_pod_template_is_added_and_cannot_take_away_what_a_trainer_needs() -> None:
    template = {
        "labels": {"team": "neuro", "app.kubernetes.io/name": "other"},
        "annotations": {"note": "x"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"operator": "Exists"}],
        "env": [{"name": "NCCL_DEBUG", "value": "INFO"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "lab"}}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "serviceAccountName": "trainer",
        "priorityClassName": "low",
        "runtimeClassName": "nvidia",
        "imagePullSecrets": [{"name": "registry"}],
    }
    manifest = attempt(a_job().with_spec(pod=template, resources={"gpuModel": "T4"}))
    metadata, pod = manifest["spec"]["template"]["metadata"], pod_of(manifest)

    assert metadata["labels"]["team"] == "neuro"
    assert metadata["labels"]["app.kubernetes.io/name"] == "posefleet"
    assert pod["nodeSelector"] == {"disk": "ssd", "nvidia.com/gpu.product": "T4"}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert environment_of(manifest)["NCCL_DEBUG"] == "INFO"
    assert {"name": "data", "mountPath": "/data"} in container_of(manifest)["volumeMounts"]
    assert (pod["serviceAccountName"], pod["priorityClassName"]) == ("trainer", "low")
    assert pod["runtimeClassName"] == "nvidia"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]


def test_the_trainer_reads_its_job_with_every_default_of_code_and_cluster() -> None:
    job = a_job().on_a_cluster_with(resources={"cpusPerNode": 12})
    sent = json.loads(job_config(job.parsed(), "attempt", 2)["data"]["job.json"])

    assert sent["spec"]["training"]["epochs"] == 300
    assert sent["spec"]["resources"]["cpusPerNode"] == 12
    assert parse_job(sent).spec == job.parsed().spec


@pytest.mark.parametrize(
    "build", [lambda j: attempt_job(j, 1, "fingerprint", "shape", SETTINGS), lambda j: attempt_service(j, 1)]
)
def test_children_belong_to_their_job(build) -> None:
    (owner,) = build(a_job().parsed())["metadata"]["ownerReferences"]

    assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == ("uid-1", True, True)
