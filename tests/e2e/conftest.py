"""A cluster with a container node, MinIO, Prometheus and Alertmanager for the whole run.

Tests that do not use it run first, because they start their own container nodes, and a machine can have only one.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kubernetes import client, config

from posefleet_api.constants import LABEL_ATTEMPT, LABEL_JOB
from posefleet_lab.cluster import Cluster
from posefleet_lab.images import base_image
from posefleet_lab.monitoring import MonitoringOptions
from posefleet_lab.system_programs import CONTAINER_NODE, IMAGE_TOOLS, MONITORING, explain
from posefleet_lab.tools import binaries
from support import stand_in_trainer
from support.preconditions import SKIP_E2E, stop_or_skip
from support.waiting import wait_for

RULES = Path(__file__).parents[2] / "charts" / "posefleet" / "rules"
POD_LABELS = {"training_job": LABEL_JOB, "attempt": LABEL_ATTEMPT}
GPUS = 8

Kubectl = Callable[..., str]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: "cluster" in getattr(item, "fixturenames", ()))
    if not config.option.collectonly:
        stop_or_skip(Path(__file__).parent, items, missing_on_this_machine(), SKIP_E2E)


def missing_on_this_machine() -> str:
    """Return a message that says what this machine lacks to run these tests, or an empty string if it lacks nothing."""
    sentences = [explain(CONTAINER_NODE, IMAGE_TOOLS, MONITORING)]
    if sys.version_info[:2] != stand_in_trainer.BASE_PYTHON:
        sentences.append(
            "the virtual environment must be of Python 3.11, as the base image is: "
            "remove .venv and run `make setup PYTHON=python3.11`"
        )
    return "\n".join(filter(None, sentences))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    monitoring = MonitoringOptions([RULES / "*.yaml"], POD_LABELS)
    directory = tmp_path_factory.mktemp("e2e")
    with Cluster(directory, name="e2e", node="container", gpus=GPUS, monitoring=monitoring, report=print) as running:
        yield running


@pytest.fixture(scope="session")
def python_image(cluster: Cluster) -> str:
    """The name of an image with Debian and its Python, which is on the node."""
    image = base_image(print)
    cluster.container_node.load_archive(image.file)
    return image.name


@pytest.fixture(scope="session")
def kube(cluster: Cluster) -> client.ApiClient:
    """An administrator's synchronous API client."""
    return config.new_client_from_config(str(cluster.kubeconfig))


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Kubectl:
    """Runs kubectl as the administrator and returns what it prints."""
    program = str(binaries.kubectl())
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}

    def run(*arguments: str, stdin: str | None = None, timeout_seconds: float = 120) -> str:
        command = [program, *arguments]
        result = subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
        assert result.returncode == 0, f"kubectl {' '.join(arguments)}: {result.stderr}"
        return result.stdout

    return run


@pytest.fixture
def namespace(kube: client.ApiClient) -> Iterator[str]:
    """A new namespace that enforces the restricted Pod Security Standard and is deleted after the test."""
    core = client.CoreV1Api(kube)
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    wait_for(f"the default service account of {name}", lambda: core.list_namespaced_service_account(name).items, 10)
    yield name
    core.delete_namespace(name)
