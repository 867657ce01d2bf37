"""Fixtures for whole jobs: the CRD, a small project in the store, an operator for the test's namespace."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config

from integration.conftest import TRAINER_IMAGE
from posefleet_demo.installation import operator_rights
from posefleet_demo.kubectl import Kubectl
from posefleet_demo.project import upload_folder
from posefleet_lab.cluster import Cluster
from posefleet_lab.object_stores import ObjectStore
from posefleet_lab.tools import binaries
from support.bit_identity import Trial
from support.jobs import DATA_BUCKET, RESULTS_BUCKET, SECRET, Jobs
from support.operator_process import OperatorProcess
from unit.trainer.training.tiny import TinyProject

_REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def installed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CRD and the operator's RBAC on the cluster; a kubeconfig with the operator's rights."""
    kubectl = Kubectl(binaries.kubectl(), cluster.kubeconfig, "default")
    kubectl.apply_file(_REPOSITORY / "crds" / "posefleet.io_posetrainingjobs.yaml")
    kubectl.apply_everywhere(*operator_rights())
    kubectl("wait", "--for=condition=Established", "crd/posetrainingjobs.posefleet.io", "--timeout=30s")
    path = tmp_path_factory.mktemp("operator") / "kubeconfig"
    return cluster.service_account_kubeconfig("posefleet", "posefleet-operator", path)


@pytest.fixture(scope="session")
def small_project(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project, here and in the store as ``s3://data/small/``."""
    for bucket in (DATA_BUCKET, RESULTS_BUCKET):
        store.create_bucket(bucket)
    folder = TinyProject(labelled=20).write(tmp_path_factory.mktemp("small"))
    upload_folder(store.client(), folder, DATA_BUCKET, "small/")
    return folder


@pytest.fixture(scope="module")
def job_namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace for the jobs of one test file."""
    core = client.CoreV1Api(config.new_client_from_config(str(cluster.kubeconfig)))
    name = f"jobs-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)


@pytest.fixture(scope="module")
def operator(
    cluster: Cluster, installed: Path, job_namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """The operator, with its own rights, for the namespace."""
    api = config.new_client_from_config(str(cluster.kubeconfig))
    _allow_leases(client.RbacAuthorizationV1Api(api), job_namespace)
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    process = OperatorProcess(
        log,
        kubeconfig=str(installed),
        trainer_image=TRAINER_IMAGE,
        namespaces=job_namespace,
        lease_namespace=job_namespace,
        lease_seconds="3",
    )
    process.start()
    process.wait_until_ready()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def jobs(
    cluster: Cluster, store: ObjectStore, small_project: Path, operator: OperatorProcess, job_namespace: str
) -> Jobs:
    """Jobs in the namespace, with the store's credentials in a Secret."""
    del small_project, operator
    found = Jobs(Kubectl(binaries.kubectl(), cluster.kubeconfig, job_namespace), store)
    found.create_secret(SECRET, store.credentials)
    return found


def _allow_leases(rbac: client.RbacAuthorizationV1Api, namespace: str) -> None:
    """Each test's operator leads in the test's own namespace."""
    rule = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}
    rbac.create_namespaced_role(namespace, {"metadata": {"name": "leases"}, "rules": [rule]})
    rbac.create_namespaced_role_binding(
        namespace,
        {
            "metadata": {"name": "leases"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "leases"},
            "subjects": [{"kind": "ServiceAccount", "name": "posefleet-operator", "namespace": "posefleet"}],
        },
    )


@pytest.fixture(scope="module")
def trial(cluster: Cluster, jobs: Jobs, operator: OperatorProcess) -> Trial:
    """Disturbs jobs and compares their weights."""
    return Trial(cluster, jobs, operator)
