"""A cluster with Kueue, two groups that share its GPUs, and trainers that only act."""

import shutil
from collections.abc import Callable, Iterator

import pytest
import yaml
from kubernetes import client

from integration.kueue.lab import EXAMPLE, Lab
from integration.operator.conftest import theatre_client
from integration.operator.stage import acting_images
from posefleet_lab.cluster import Cluster
from posefleet_lab.kueue import KueueOptions
from support.operator_process import OperatorProcess
from support.waiting import wait_for

__all__ = ["theatre_client"]

MODELS = {"lab-node-0": "NVIDIA-A100-SXM4-80GB", "lab-node-1": "NVIDIA-H100-80GB-HBM3"}


@pytest.fixture(scope="session")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane with Kueue, and two nodes with 8 pretended GPUs each, whose trainers act."""
    directory = tmp_path_factory.mktemp("kueue")
    with Cluster(
        directory / "cluster",
        name="kueue",
        nodes=2,
        gpus=8,
        cpus=64,
        images=acting_images(directory / "image"),
        store=None,
        kueue=KueueOptions({"PriorityBoost": True}),
        report=print,
    ) as running:
        yield running
    shutil.rmtree(directory / "image", ignore_errors=True)


@pytest.fixture(scope="session")
def queues(theatre: Cluster, theatre_client: client.ApiClient) -> Lab:
    """The example's two groups. Nodes of one model carry its label, and those with H100 a taint."""
    core = client.CoreV1Api(theatre_client)
    for node, model in MODELS.items():
        tainted = [{"key": "nvidia.com/gpu", "value": "h100", "effect": "NoSchedule"}] if "H100" in model else []
        core.patch_node(node, {"metadata": {"labels": {"nvidia.com/gpu.product": model}}, "spec": {"taints": tainted}})
    for name in ("mouse", "fly"):
        core.create_namespace({"metadata": {"name": name}})
        secret = {
            "metadata": {"name": "lab-s3"},
            "stringData": {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        }
        core.create_namespaced_secret(name, secret)
    lab = Lab(theatre_client, theatre)
    lab.apply(EXAMPLE)
    for group in [
        m["metadata"]["name"] for m in yaml.safe_load_all(EXAMPLE.read_text()) if m["kind"] == "ClusterQueue"
    ]:
        wait_for(f"{group} to be active", lambda group=group: lab.is_active(group))  # type: ignore[misc]
    return lab


@pytest.fixture
def lab(queues: Lab) -> Iterator[Lab]:
    """The two groups, whose queues are empty again after the test."""
    yield queues
    queues.clear()


@pytest.fixture(scope="session")
def start_operator(queues: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., OperatorProcess]]:
    """Start operators as processes of their own for both groups."""
    started: list[OperatorProcess] = []

    def start(**options: str) -> OperatorProcess:
        given = {
            "trainer_image": "acting-trainer",
            "namespaces": "mouse,fly",
            "kubeconfig": str(queues.cluster.kubeconfig),
            "progress_seconds": "0.5",
            "lease_seconds": "4",
            "queue_position_seconds": "0.5",
            "priority_boost_seconds": "6",
            **options,
        }
        operator = OperatorProcess(tmp_path_factory.mktemp("operator") / "operator.log", **given)
        started.append(operator)
        operator.start()
        return operator

    yield start
    for operator in started:
        operator.stop()


@pytest.fixture(scope="session")
def operator(start_operator: Callable[..., OperatorProcess]) -> OperatorProcess:
    """An operator for both groups, which knows of Kueue."""
    return start_operator()
