"""The headless Service that gives the pods of an attempt their names."""

from posefleet_api.constants import COMPONENT_ATTEMPT, TRAINER_PORT, TRAINER_PORT_NAME
from posefleet_api.job import PoseTrainingJob
from posefleet_operator.builders.names import labels, metadata
from posefleet_operator.children import Manifest


def attempt_service(job: PoseTrainingJob, number: int) -> Manifest:
    """Names for pods that are not ready yet, too: they must find each other to become ready."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(job, COMPONENT_ATTEMPT, number),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": labels(job, COMPONENT_ATTEMPT, number),
            "ports": [{"name": TRAINER_PORT_NAME, "port": TRAINER_PORT}],
        },
    }
