"""The metadata of a job's children: name, labels and owner reference; and the ports of their rendezvous."""

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
from posefleet_operator.cluster.objects import Manifest, child_name

_FIRST_PORT, _PORTS = 20_000, 10_000


def rendezvous_port(uid: str, number: int) -> int:
    """Return the port on which rank 0 of an attempt listens.

    Ports differ between attempts, so that pods that share the network of a host rarely use the same one.
    """
    digest = hashlib.sha256(f"{uid}/{number}".encode()).digest()
    return _FIRST_PORT + int.from_bytes(digest[:4]) % _PORTS


def labels(job: PoseTrainingJob, component: str, number: int) -> dict[str, str]:
    """Return the labels of a child and of its pods."""
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
    """Return the metadata of a child. It is owned by its job, so that it is deleted together with it."""
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
