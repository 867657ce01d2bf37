"""The Job that checks and prepares the data before any GPU is used."""

from collections.abc import Mapping

from posefleet_api.constants import (
    ANNOTATION_FINGERPRINT,
    ANNOTATION_SPEC_PARTS,
    COMPONENT_PREPARE,
    ENV_NODES,
    ENV_PROCESSES_PER_NODE,
    JOB_FILE,
)
from posefleet_api.job import PoseTrainingJob
from posefleet_api.resources import Resources
from posefleet_api.values import quantity_bytes
from posefleet_operator.builders.names import metadata
from posefleet_operator.builders.pod_template import Role, pod_failure_policy, pod_template
from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.fingerprints import encode_parts
from posefleet_operator.settings import Settings

_CPU_REQUEST = "500m"
_MEMORY_REQUEST = "1Gi"


def prepare_job(
    job: PoseTrainingJob, number: int, fingerprint: str, spec_parts: Mapping[str, str], settings: Settings
) -> Manifest:
    """Return a Job with one pod and without GPUs.

    Args:
        job: the job, with all defaults.
        number: number of the try.
        fingerprint: hash of what the preparation depends on.
        spec_parts: hash of each part of the author's spec, by its name.
        settings: the operator's settings.
    """
    role = Role(
        component=COMPONENT_PREPARE,
        number=number,
        command=["posefleet-trainer", JOB_FILE, "--stages", "prepare"],
        resources=_resources(job.spec.resources),
        environment=[{"name": ENV_NODES, "value": "1"}, {"name": ENV_PROCESSES_PER_NODE, "value": "1"}],
        pod={},
    )
    child = metadata(job, COMPONENT_PREPARE, number)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            **child,
            "annotations": {ANNOTATION_FINGERPRINT: fingerprint, ANNOTATION_SPEC_PARTS: encode_parts(spec_parts)},
        },
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": pod_failure_policy(),
            "template": pod_template(job, role, settings),
        },
    }


def _resources(wanted: Resources) -> Manifest:
    """Return small requests, so that the preparation does not wait for room, and the limits of an attempt's pods."""
    memory = min(quantity_bytes(wanted.memory_per_node), quantity_bytes(_MEMORY_REQUEST))
    return {
        "requests": {"cpu": _CPU_REQUEST, "memory": str(memory)},
        "limits": {"cpu": str(wanted.cpus_per_node), "memory": wanted.memory_per_node},
    }
