"""The names of a job's children, and what all of them carry."""

import hashlib

from posefleet_api.constants import (
    API_VERSION,
    COMPONENT_ATTEMPT,
    COMPONENT_PREPARE,
    KIND,
    LABEL_ATTEMPT,
    LABEL_COMPONENT,
    LABEL_JOB,
    LABEL_JOB_UID,
)
from posefleet_api.job import PoseTrainingJob
from posefleet_operator.cluster.objects import Manifest

_FIRST_PORT, _PORTS = 20_000, 10_000


def attempt_name(job: str, number: int) -> str:
    """Of an attempt's Job, Service and ConfigMap. No two attempts share one: DNS serves dead addresses for seconds."""
    return f"{job}-a{number}"


def prepare_name(job: str, number: int) -> str:
    """Of the Job and the ConfigMap of a try of the preparation."""
    return f"{job}-prepare-{number}"


def child_name(job: str, component: str, number: int) -> str:
    """Of the children of an attempt or of a try of the preparation."""
    return attempt_name(job, number) if component == COMPONENT_ATTEMPT else prepare_name(job, number)


def rendezvous_port(uid: str, number: int) -> int:
    """Where rank 0 of an attempt listens; spread out, so that pods that share a host's network seldom meet."""
    digest = hashlib.sha256(f"{uid}/{number}".encode()).digest()
    return _FIRST_PORT + int.from_bytes(digest[:4]) % _PORTS


def labels(job: PoseTrainingJob, component: str, number: int) -> dict[str, str]:
    """The labels of every child, and of every pod."""
    assert component in {COMPONENT_ATTEMPT, COMPONENT_PREPARE}
    return {
        "app.kubernetes.io/name": "posefleet",
        "app.kubernetes.io/managed-by": "posefleet-operator",
        LABEL_JOB: job.metadata.name,
        LABEL_JOB_UID: job.metadata.uid,
        LABEL_COMPONENT: component,
        LABEL_ATTEMPT: str(number),
    }


def metadata(job: PoseTrainingJob, component: str, number: int) -> Manifest:
    """The metadata of every child: named, labelled, and owned, so that it goes with its job."""
    return {
        "name": child_name(job.metadata.name, component, number),
        "namespace": job.metadata.namespace,
        "labels": labels(job, component, number),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": job.metadata.name,
                "uid": job.metadata.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
