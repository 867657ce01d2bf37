"""A cluster with Kueue, two groups that share its GPUs, and trainers that only act."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes import client

from chart.rendering import of_kind, render_into
from integration.kueue.lab import CLUSTER_QUEUES, EXAMPLE, MODELS, Lab
from integration.operator.conftest import theatre_client
from integration.operator.stage import acting_images
from posefleet_lab.cluster import Cluster
from posefleet_lab.kueue import KueueOptions
from support.operator_process import OperatorProcess
from support.waiting import wait_for

__all__ = ["theatre_client"]

HOME, ACCOUNT = "posefleet", "posefleet-operator"


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
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        core.create_namespaced_secret(name, {"metadata": {"name": "lab-s3"}, "stringData": keys})
    lab = Lab(theatre_client, theatre)
    lab.apply(EXAMPLE.read_text())
    wait_for("the queues to be active", lambda: all(map(lab.is_active, CLUSTER_QUEUES)))
    return lab


@pytest.fixture
def lab(queues: Lab) -> Iterator[Lab]:
    """The two groups, whose queues are empty again after the test."""
    yield queues
    queues.clear()


@pytest.fixture(scope="session")
def kubeconfig(queues: Lab) -> Path:
    """The operator's account, with the rights that the chart gives to it with these values and no other."""
    kueue = {"positions": True, "priorityBoost": True}
    objects = render_into(HOME, userRoles=False, watchNamespaces=["mouse", "fly"], kueue=kueue)
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
    queues.apply(yaml.safe_dump_all([home, *of_kind(objects, "ServiceAccount", "Lease", "Role", "RoleBinding")]))
    return queues.cluster.service_account_kubeconfig(HOME, ACCOUNT)


@pytest.fixture(scope="session")
def operator(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """An operator for both groups, which shows places and writes boosts."""
    operator = OperatorProcess(
        tmp_path_factory.mktemp("operator") / "operator.log",
        trainer_image="acting-trainer",
        namespaces="mouse,fly",
        kubeconfig=str(kubeconfig),
        lease_namespace=HOME,
        lease_name=ACCOUNT,
        lease_seconds="4",
        progress_seconds="0.5",
        queue_position_seconds="0.5",
        priority_boost_seconds="6",
    )
    operator.start()
    yield operator
    operator.stop()
