"""The objects of one job: the PoseTrainingJob, and what the operator would create for it."""

import json
from dataclasses import dataclass
from typing import Any

from posefleet_api.constants import API_VERSION, COMPONENT_ATTEMPT, COMPONENT_PREPARE, KIND, PLURAL
from posefleet_api.job import parse_job
from posefleet_operator.builders.attempt_job import attempt_job, attempt_service
from posefleet_operator.builders.pod_template import job_config
from posefleet_operator.builders.prepare_job import prepare_job
from posefleet_operator.fingerprints import data_fingerprint, part_fingerprints
from posefleet_operator.settings import Settings

NAMESPACE = "lab"
PODS = 4
JOBS_PATH = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/{PLURAL}"
_NAME, _UID = "job-name", "00000000-0000-4000-8000-000000000000"
_PATHS = {
    "ConfigMap": f"/api/v1/namespaces/{NAMESPACE}/configmaps",
    "Service": f"/api/v1/namespaces/{NAMESPACE}/services",
    "Job": f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs",
}


@dataclass(frozen=True)
class Text:
    """An object as JSON, in which the name of a job and its uid are filled in, and the path that it is posted to."""

    path: str
    json: str

    def of(self, name: str, uid: str = "") -> bytes:
        """Return the object of one job."""
        return self.json.replace(_UID, uid).replace(_NAME, name).encode()


def training_job(ends: bool = False) -> Text:
    """Return a PoseTrainingJob of four pods. ``ends`` lets its training complete a second after it has begun."""
    return Text(JOBS_PATH, json.dumps(_manifest(ends)))


def children() -> list[Text]:
    """Return what the operator creates for a job until its pods run, with the gang not suspended."""
    manifest = _manifest(ends=False)
    manifest["metadata"] |= {"uid": _UID, "generation": 1}
    job, settings = parse_job(manifest), Settings()
    fingerprint, parts = data_fingerprint(job.spec), part_fingerprints(job.spec)
    gang = attempt_job(job, 1, fingerprint, parts, settings)
    gang["spec"]["suspend"] = False
    built = [
        job_config(job, COMPONENT_PREPARE, 1),
        prepare_job(job, 1, fingerprint, parts, settings),
        job_config(job, COMPONENT_ATTEMPT, 1),
        attempt_service(job, 1),
        gang,
    ]
    return [Text(_PATHS[manifest["kind"]], json.dumps(manifest)) for manifest in built]


def _manifest(ends: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "dataset": {"uri": "s3://lab-data/mouse/"},
        "storage": {"endpoint": "http://minio.minio:9000", "credentialsSecretRef": {"name": "lab-s3"}},
        "output": {"uri": f"s3://lab-results/{_NAME}/"},
        "resources": {"nodes": PODS, "gpusPerNode": 1},
        "failurePolicy": {"maxFailures": 5, "backoffSeconds": 1},
    }
    if ends:
        spec["pod"] = {"labels": {"ends": "true"}}
    metadata = {"name": _NAME, "namespace": NAMESPACE}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}
