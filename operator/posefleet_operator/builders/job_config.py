"""The ConfigMap that tells the trainer its job."""

from pathlib import PurePosixPath

from posefleet_api.constants import JOB_FILE
from posefleet_api.job import PoseTrainingJob
from posefleet_operator.builders.names import metadata
from posefleet_operator.children import Manifest

JOB_KEY = PurePosixPath(JOB_FILE).name


def job_config(job: PoseTrainingJob, component: str, number: int) -> Manifest:
    """``job`` as JSON: the spec with all defaults, the status as far as the trainer needs it."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(job, component, number),
        "data": {JOB_KEY: job.to_json()},
    }
