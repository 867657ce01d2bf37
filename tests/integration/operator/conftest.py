"""A cluster on whose node trainers only act, and an operator for it."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kubernetes import client, config

from integration.operator.stage import Stage, acting_images, install_crd
from posefleet_lab.cluster import Cluster
from support.audit import AUDIT_LOG, audit_options
from support.operator_process import OperatorProcess

#: As OpenShift has it: an owner reference that blocks the owner's deletion needs the right to change its finalizers.
OWNERS_NEED_RIGHTS = "--enable-admission-plugins=OwnerReferencesPermissionEnforcement"


@pytest.fixture(scope="session")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A strict control plane that keeps an audit log, and a process node with 8 pretended GPUs, whose trainers act."""
    directory = tmp_path_factory.mktemp("theatre")
    images = acting_images(directory / "image")
    strict = [OWNERS_NEED_RIGHTS, *audit_options(directory)]
    with Cluster(
        directory / "cluster",
        name="theatre",
        gpus=8,
        cpus=64,
        images=images,
        store=None,
        apiserver_options=strict,
        report=print,
    ) as running:
        yield running
    shutil.rmtree(directory / "image", ignore_errors=True)


@pytest.fixture(scope="session")
def theatre_client(theatre: Cluster) -> client.ApiClient:
    """An administrator's client; the CRD is installed from ``crds/``."""
    api = config.new_client_from_config(str(theatre.kubeconfig))
    install_crd(api)
    return api


@pytest.fixture
def stage(theatre: Cluster, theatre_client: client.ApiClient) -> Iterator[Stage]:
    """A namespace of the test's own, and what one does in it."""
    core = client.CoreV1Api(theatre_client)
    name = f"stage-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    core.create_namespaced_secret(
        name, {"metadata": {"name": "lab-s3"}, "stringData": {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}}
    )
    yield Stage(theatre_client, name, theatre)
    core.delete_namespace(name)


@pytest.fixture(scope="session")
def audit_log(theatre: Cluster) -> Path:
    """What programs asked of the theatre's API server; see ``support.audit``."""
    return theatre.directory.parent / AUDIT_LOG


@pytest.fixture
def start_operator(stage: Stage, tmp_path: Path) -> Iterator[Callable[..., OperatorProcess]]:
    """Start operators as processes of their own, for the test's namespace alone."""
    started: list[OperatorProcess] = []

    def start(**options: str) -> OperatorProcess:
        given = {
            "trainer_image": "acting-trainer",
            "namespaces": stage.namespace,
            "lease_namespace": stage.namespace,
            "kubeconfig": str(stage.cluster.kubeconfig),
            "progress_seconds": "0.5",
            **options,
        }
        operator = OperatorProcess(tmp_path / f"operator-{len(started)}.log", **given)
        started.append(operator)
        operator.start()
        return operator

    yield start
    for operator in started:
        operator.stop()


@pytest.fixture
def operator(start_operator: Callable[..., OperatorProcess]) -> OperatorProcess:
    """An operator for the test's namespace."""
    return start_operator()
