"""Three answers agree: what the model and the API server accept as a job, it accepts as the objects that are built.

The API server judges a Job with its pod template, a Service and a ConfigMap by rules of Kubernetes of its own. A job
that passes the schema and then cannot start would fail only when the operator creates its children.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from kubernetes import client

from integration.operator.changed_manifests import (
    MANY,
    NAMESPACE,
    assert_judged_alike,
    changed_manifests,
    full,
    short,
)
from posefleet_api.constants import COMPONENT_ATTEMPT, COMPONENT_PREPARE
from posefleet_api.dataset import Storage
from posefleet_api.job import InvalidManifest, PoseTrainingJob, parse_job
from posefleet_operator.builders.attempt_job import attempt_job, attempt_service
from posefleet_operator.builders.pod_template import job_config
from posefleet_operator.builders.prepare_job import prepare_job
from posefleet_operator.settings import Settings
from posefleet_operator.trainer_defaults import TrainerDefaults, resolved

pytestmark = pytest.mark.cluster

DEFAULTS = TrainerDefaults(storage=Storage(endpoint="http://minio:9000"), allow_host_path=True)
SETTINGS = Settings(trainer_image="trainer:test", trainer_defaults=DEFAULTS)
UID = "6b1f1a30-1f0c-4f0e-9d57-0b1f3c2f9d11"


def built_objects(job: PoseTrainingJob) -> Iterator[dict[str, Any]]:
    """Yield everything that the operator creates for a job."""
    yield job_config(job, COMPONENT_PREPARE, 1)
    yield prepare_job(job, 1, "fingerprint", "pod-fingerprint", SETTINGS)
    yield job_config(job, COMPONENT_ATTEMPT, 1)
    yield attempt_service(job, 1)
    yield attempt_job(job, 1, "fingerprint", "pod-fingerprint", SETTINGS)


class Cluster:
    """The API server, asked with dry runs only."""

    def __init__(self, api: client.ApiClient) -> None:
        self.custom = client.CustomObjectsApi(api)
        core, batch = client.CoreV1Api(api), client.BatchV1Api(api)
        self._create = {
            "ConfigMap": core.create_namespaced_config_map,
            "Service": core.create_namespaced_service,
            "Job": batch.create_namespaced_job,
        }

    def refusal(self, child: dict[str, Any]) -> str:
        """Return the reason why the API server refuses an object, or an empty text."""
        try:
            self._create[child["kind"]](NAMESPACE, child, dry_run="All", field_validation="Strict")
        except client.ApiException as error:
            return str(error.body)
        return ""


@pytest.fixture(scope="module")
def cluster(theatre_client: client.ApiClient) -> Cluster:
    return Cluster(theatre_client)


def judge(cluster: Cluster, manifest: dict[str, Any]) -> None:
    """Compare the three answers for a manifest."""
    if not assert_judged_alike(cluster.custom, manifest):
        return
    job = parse_job({**manifest, "metadata": {**manifest["metadata"], "uid": UID, "namespace": NAMESPACE}})
    try:
        complete = resolved(job, DEFAULTS)
    except InvalidManifest:
        # Such as a mount of a volume that neither the job nor the cluster has. The operator refuses it at once.
        return
    for child in built_objects(complete):
        refusal = cluster.refusal(child)
        assert not refusal, f"{manifest['spec']}\n{child['kind']}: {refusal}"


@MANY
@given(manifest=changed_manifests())
def test_what_is_accepted_as_a_job_is_accepted_as_the_objects_built_from_it(
    cluster: Cluster, manifest: dict[str, Any]
) -> None:
    judge(cluster, manifest)


@pytest.mark.parametrize("manifest", [short(), full()], ids=["short", "full"])
def test_manifests_that_are_changed_are_valid_before(cluster: Cluster, manifest: dict[str, Any]) -> None:
    assert assert_judged_alike(cluster.custom, manifest)
    judge(cluster, manifest)
