"""Jobs that leave things to their cluster, and clusters that change their mind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from integration.operator.stage import COMPLETED, Stage
from posefleet_api.constants import GROUP, PLURAL, VERSION
from support.operator_process import OperatorProcess
from support.waiting import wait_for

pytestmark = pytest.mark.cluster

STORE = {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "lab-s3"}}


@pytest.fixture
def start_with(start_operator: Callable[..., OperatorProcess], tmp_path: Path) -> Callable[..., OperatorProcess]:
    """Start an operator with trainer defaults."""

    def start(**defaults: Any) -> OperatorProcess:
        path = tmp_path / "trainer-defaults.yaml"
        path.write_text(yaml.safe_dump(defaults))
        return start_operator(trainer_defaults=str(path))

    return start


def apply_short(stage: Stage, name: str, **spec: Any) -> None:
    """A manifest as short as can be."""
    metadata = {"name": name, "namespace": stage.namespace}
    uris = {"dataset": {"uri": "s3://lab-data/mouse/"}, "output": {"uri": f"s3://lab-results/{name}/"}}
    body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "PoseTrainingJob", "metadata": metadata, "spec": uris | spec}
    stage.custom.create_namespaced_custom_object(GROUP, VERSION, stage.namespace, PLURAL, body)


def acting(script: dict[str, Any]) -> dict[str, Any]:
    return {"env": [{"name": "ACT", "value": json.dumps(script)}]}


def test_two_uris_are_a_job_where_the_cluster_knows_the_rest(
    stage: Stage, start_with: Callable[..., OperatorProcess]
) -> None:
    start_with(
        storage=STORE, resources={"nodes": 2, "cpusPerNode": 1, "memoryPerNode": "1Gi"},
        pod=acting({"1": COMPLETED}) | {"labels": {"cost-centre": "42"}},
    )  # fmt: skip
    apply_short(stage, "reaching")
    status = stage.wait_for_phase("reaching", "Succeeded")

    assert status["attempts"][0]["gpus"] == 2
    assert [pod.metadata.labels["cost-centre"] for pod in stage.pods("reaching", 1)] == ["42", "42"]
    job_json = stage.core.read_namespaced_config_map("reaching-a1", stage.namespace).data["job.json"]
    assert json.loads(job_json)["spec"]["resources"]["memoryPerNode"] == "1Gi"
    assert stage.job("reaching")["spec"]["resources"] == {}


def test_an_operator_with_other_defaults_leaves_a_gang_alone(
    stage: Stage, start_with: Callable[..., OperatorProcess]
) -> None:
    former = start_with(storage=STORE, resources={"nodes": 2, "cpusPerNode": 1, "memoryPerNode": "1Gi"})
    apply_short(stage, "reaching")
    stage.wait_until_acting("reaching", 1)
    pods = {pod.metadata.uid for pod in stage.pods("reaching", 1)}
    generation = stage.batch.read_namespaced_job("reaching-a1", stage.namespace).metadata.generation
    former.stop()

    later = start_with(resources={"nodes": 3, "memoryPerNode": "2Gi"}, pod={"labels": {"new": "yes"}})
    later.wait_until_leading()
    stage.patch("reaching", ttlSecondsAfterFinished=77)
    wait_for("the edit to be seen", lambda: stage.status("reaching")["observedGeneration"] == 2)
    assert {pod.metadata.uid for pod in stage.pods("reaching", 1)} == pods
    assert stage.batch.read_namespaced_job("reaching-a1", stage.namespace).metadata.generation == generation
    assert stage.status("reaching")["phase"] == "Running"


def test_a_job_without_any_store_is_told_so_and_starts_when_there_is_one(
    stage: Stage, start_with: Callable[..., OperatorProcess]
) -> None:
    former = start_with(resources={"nodes": 1})
    apply_short(stage, "reaching", pod=acting({"1": COMPLETED}))
    status = stage.wait_for_phase("reaching", "Failed")
    (failed,) = [c for c in status["conditions"] if c["type"] == "Failed"]
    assert failed["reason"] == "InvalidInput"
    assert failed["message"].startswith("spec.storage: needed for s3:// URIs")
    former.stop()

    start_with(storage=STORE, resources={"cpusPerNode": 1, "memoryPerNode": "1Gi"})
    stage.wait_for_phase("reaching", "Succeeded")


def test_gpus_of_another_vendor_are_asked_for_and_counted(
    stage: Stage, start_with: Callable[..., OperatorProcess], theatre_client: client.ApiClient
) -> None:
    start_with(storage=STORE, resources={"gpuResource": "amd.com/gpu", "gpuModel": "MI300X"}, gpuModelLabel="lab/gpu")
    apply_short(stage, "reaching", resources={"nodes": 2, "gpusPerNode": 4, "extendedResources": {"rdma/hca": "1"}})
    wait_for("the attempt", lambda: stage.status("reaching").get("currentAttempt"))

    (container,) = stage.batch.read_namespaced_job("reaching-a1", stage.namespace).spec.template.spec.containers
    assert {"amd.com/gpu": "4", "rdma/hca": "1"}.items() <= container.resources.limits.items()
    assert stage.status("reaching")["gpus"] == 8
    wait_for("the scheduler's word", lambda: ("Warning", "Unschedulable") in stage.events("reaching"))
