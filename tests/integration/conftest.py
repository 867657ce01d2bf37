"""A cluster for the whole test run, and a fresh namespace for each test."""

import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config

from posefleet_lab.cluster import Cluster
from posefleet_lab.object_stores import ObjectStore

TRAINER_IMAGE = "posefleet-trainer:lab"
ACCOUNT_SECONDS = 10.0


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane, a process node with 8 pretended GPUs, and MinIO."""
    directory = tmp_path_factory.mktemp("cluster")
    images = {TRAINER_IMAGE: Path(sys.prefix)}
    with Cluster(directory, name="test", gpus=8, cpus=64, images=images, report=print) as running:
        yield running


@pytest.fixture(scope="session")
def store(cluster: Cluster) -> ObjectStore:
    """The session's MinIO."""
    return cluster.store


@pytest.fixture(scope="session")
def kube(cluster: Cluster) -> client.ApiClient:
    """An administrator's synchronous API client."""
    return config.new_client_from_config(str(cluster.kubeconfig))


@pytest.fixture
def namespace(kube: client.ApiClient) -> Iterator[str]:
    """A namespace of the test's own, with its default service account; deleted after the test."""
    core = client.CoreV1Api(kube)
    name = f"test-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    deadline = time.monotonic() + ACCOUNT_SECONDS
    while not core.list_namespaced_service_account(name).items:
        assert time.monotonic() < deadline, f"no default service account in {name} after {ACCOUNT_SECONDS} s"
        time.sleep(0.02)
    yield name
    core.delete_namespace(name)
