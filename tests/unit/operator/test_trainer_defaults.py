"""The trainer defaults of a cluster: read from a file, refused, and joined with a job."""

import json
from pathlib import Path

import pytest

from posefleet_api.job import InvalidManifest, PoseTrainingJob, parse_job
from posefleet_api.pod import LocalReference
from posefleet_operator.main import main
from posefleet_operator.settings import parse_settings
from posefleet_operator.trainer_defaults import InvalidDefaults, TrainerDefaults, read_defaults, resolved
from unit.operator.builders import JobBuilder, a_job

STORE = {
    "endpoint": "https://minio.lab:9000",
    "credentialsSecretRef": {"name": "lab-store"},
    "caSecretRef": {"name": "lab-ca"},
}


def without_storage(job: JobBuilder) -> PoseTrainingJob:
    manifest = job.manifest()
    del manifest["spec"]["storage"]
    return parse_job(manifest)


def on(job: JobBuilder, **defaults: object) -> PoseTrainingJob:
    return resolved(parse_job(job.manifest()), TrainerDefaults.model_validate(defaults))


def refusal(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(InvalidDefaults) as refused:
        read_defaults(path)
    return str(refused.value)


def test_a_job_on_a_cluster_without_defaults_gets_those_of_the_code() -> None:
    job = parse_job(a_job().manifest())
    assert resolved(job, TrainerDefaults()).spec == job.spec


def test_a_job_without_storage_gets_the_clusters() -> None:
    job = resolved(without_storage(a_job()), TrainerDefaults.model_validate({"storage": STORE}))
    assert job.spec.storage is not None
    assert job.spec.storage.to_dict() == {**STORE, "region": ""}


def test_a_jobs_own_storage_is_taken_whole() -> None:
    storage = on(a_job(), storage=STORE).spec.storage
    assert storage is not None
    assert (storage.endpoint, storage.credentials_secret_ref, storage.ca_secret_ref) == (
        "http://minio:9000",
        LocalReference(name="lab-s3"),
        None,
    )


def test_a_job_in_folders_gets_no_store_and_so_needs_no_secret() -> None:
    job = a_job().with_spec(dataset={"uri": "file:///data/"}, output={"uri": "file:///out/"})
    assert resolved(without_storage(job), TrainerDefaults.model_validate({"storage": STORE})).spec.storage is None


def test_a_job_on_s3_without_any_storage_is_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidManifest, match=r"spec\.storage: needed for s3:// URIs.*trainer\.storage"):
        resolved(without_storage(a_job()), TrainerDefaults())


def test_each_field_of_resources_is_the_jobs_or_else_the_clusters_or_else_the_codes() -> None:
    job = a_job().with_spec(resources={"nodes": 2, "extendedResources": {}})
    defaults = {"nodes": 4, "cpusPerNode": 12, "gpuResource": "amd.com/gpu", "extendedResources": {"rdma/hca": "1"}}
    resources = on(job, resources=defaults).spec.resources
    assert (resources.nodes, resources.cpus_per_node, resources.memory_per_node) == (2, 12, "16Gi")
    assert (resources.gpu_resource, resources.extended_resources) == ("amd.com/gpu", {})


def test_a_job_without_gpus_asks_for_no_gpu_model_of_the_clusters() -> None:
    assert on(a_job().with_gpus(0), resources={"gpuModel": "T4"}).spec.resources.gpu_model == ""


def test_a_gpu_model_on_a_cluster_without_gpus_is_refused() -> None:
    with pytest.raises(InvalidManifest, match=r"spec\.resources: .*set gpusPerNode to 1 or more"):
        on(a_job().with_spec(resources={"gpuModel": "T4"}), resources={"gpusPerNode": 0})


def test_pod_templates_are_joined_and_the_jobs_entry_of_a_name_wins() -> None:
    job = a_job().with_spec(
        pod={
            "labels": {"team": "mouse"},
            "env": [{"name": "NCCL_DEBUG", "value": "INFO"}],
            "tolerations": [{"key": "gpu", "operator": "Exists"}, {"key": "night", "operator": "Exists"}],
            "volumes": [{"name": "data", "nfs": {"server": "nas", "path": "/mine", "readOnly": False}}],
            "imagePullSecrets": [{"name": "own"}],
            "priorityClassName": "high",
        }
    )
    template = on(
        job,
        pod={
            "labels": {"team": "lab", "cost": "42"},
            "env": [{"name": "NCCL_DEBUG", "value": "WARN"}, {"name": "NCCL_SOCKET_IFNAME", "value": "eth0"}],
            "tolerations": [{"operator": "Exists", "key": "gpu"}],
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": "cuda", "emptyDir": {}}],
            "volumeMounts": [{"name": "cuda", "mountPath": "/cuda"}],
            "imagePullSecrets": [{"name": "registry"}],
            "priorityClassName": "low",
            "serviceAccountName": "trainer",
            "runtimeClassName": "nvidia",
            "nodeAffinity": [{"key": "disk", "operator": "In", "values": ["ssd"]}],
        },
    ).spec.pod.to_dict()

    assert template == {
        "labels": {"team": "mouse", "cost": "42"},
        "annotations": {},
        "nodeSelector": {},
        "env": [{"name": "NCCL_SOCKET_IFNAME", "value": "eth0"}, {"name": "NCCL_DEBUG", "value": "INFO"}],
        "tolerations": [{"key": "gpu", "operator": "Exists"}, {"key": "night", "operator": "Exists"}],
        "volumes": [
            {"name": "cuda", "emptyDir": {}},
            {"name": "data", "nfs": {"server": "nas", "path": "/mine", "readOnly": False}},
        ],
        "volumeMounts": [{"name": "cuda", "mountPath": "/cuda", "subPath": "", "readOnly": False}],
        "imagePullSecrets": [{"name": "registry"}, {"name": "own"}],
        "priorityClassName": "high",
        "serviceAccountName": "trainer",
        "runtimeClassName": "nvidia",
        "nodeAffinity": [{"key": "disk", "operator": "In", "values": ["ssd"]}],
    }


def test_folders_of_nodes_are_mounted_only_where_the_administrator_allows_it() -> None:
    job = a_job().with_spec(pod={"volumes": [{"name": "data", "hostPath": {"path": "/mine"}}]})
    with pytest.raises(InvalidManifest, match=r"spec\.pod\.volumes\.0\.hostPath: .*trainer\.allowHostPath"):
        on(job)
    assert on(job, allowHostPath=True).spec.pod.volumes[0].host_path is not None
    mine = {"volumes": [{"name": "cuda", "hostPath": {"path": "/usr/lib/cuda"}}]}
    assert on(a_job(), pod=mine).spec.pod.volumes[0].host_path is not None


def test_a_job_may_mount_a_volume_of_the_cluster_and_no_volume_that_does_not_exist() -> None:
    job = a_job().with_spec(pod={"volumeMounts": [{"name": "lab", "mountPath": "/lab"}]})
    lab = {"volumes": [{"name": "lab", "persistentVolumeClaim": {"claimName": "lab-data"}}]}
    assert on(job, pod=lab).spec.pod.volumes[0].name == "lab"
    with pytest.raises(InvalidManifest, match=r"spec\.pod\.volumeMounts\.0\.name: there is no volume lab; add it"):
        on(job)


def test_a_field_given_empty_is_given() -> None:
    job = a_job().with_spec(pod={"priorityClassName": ""}, resources={"gpuModel": ""})
    spec = on(job, pod={"priorityClassName": "low"}, resources={"gpuModel": "T4"}).spec
    assert (spec.pod.priority_class_name, spec.resources.gpu_model) == ("", "")


def test_more_than_a_pod_may_have_is_refused() -> None:
    job = a_job().with_spec(pod={"tolerations": [{"key": f"a{n}", "operator": "Exists"} for n in range(20)]})
    with pytest.raises(InvalidManifest, match=r"spec\.pod\.tolerations: List should have at most 32 items"):
        on(job, pod={"tolerations": [{"key": f"b{n}", "operator": "Exists"} for n in range(20)]})


def test_what_is_resolved_is_what_a_trainer_that_knows_no_cluster_reads() -> None:
    job = on(a_job(), resources={"cpusPerNode": 12, "gpuResource": "amd.com/gpu"})
    assert parse_job(json.loads(job.to_json())) == job


def test_defaults_come_from_a_file_that_an_argument_or_a_variable_names(tmp_path: Path) -> None:
    path = tmp_path / "trainer-defaults.yaml"
    path.write_text("resources: {memoryPerNode: 64Gi}\ngpuModelLabel: lab/gpu\n")
    by_argument = parse_settings([f"--trainer-defaults={path}"], {}).trainer_defaults
    assert by_argument == parse_settings([], {"POSEFLEET_TRAINER_DEFAULTS": str(path)}).trainer_defaults
    assert (by_argument.resources.memory_per_node, by_argument.gpu_model_label) == ("64Gi", "lab/gpu")
    assert parse_settings([], {}).trainer_defaults == TrainerDefaults()


def test_an_empty_file_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "trainer-defaults.yaml"
    path.write_text("# nothing yet\n")
    assert read_defaults(path) == TrainerDefaults()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resources: {gpuPerNode: 2}", "resources.gpuPerNode: no such key"),
        ("store: {}", "store: no such key"),
        ("resources: {nodes: two}", "resources.nodes: Input should be a valid integer"),
        ("resources: {gpuModel: T4, gpusPerNode: 0}", "resources: to ask for a gpuModel set gpusPerNode"),
        ("pod: {volumeMounts: [{name: lab, mountPath: /lab}]}", "pod.volumeMounts.0.name: there is no volume lab"),
        ("storage: {credentialsSecretRef: {name: x}}", "storage.endpoint: Field required"),
        ("[1, 2]", "must be a mapping, not list"),
        ("storage: {", "are not valid YAML"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "trainer-defaults.yaml"
    sentence = refusal(path, text)
    assert str(path) in sentence
    assert message in sentence


def test_an_operator_with_a_mistake_in_its_defaults_ends_with_the_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["posefleet-operator", f"--trainer-defaults={tmp_path / 'nowhere.yaml'}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == (
        f"posefleet-operator: cannot read the trainer defaults {tmp_path / 'nowhere.yaml'}: No such file or directory"
    )
