"""Names that the API server, the operator and the trainer agree on: labels, paths, variables, ports and folders."""

from typing import Final

GROUP: Final = "posefleet.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "PoseTrainingJob"
PLURAL: Final = "posetrainingjobs"
SINGULAR: Final = "posetrainingjob"
SHORT_NAME: Final = "ptj"
#: Host names such as ``<job>-a12-0`` begin with the job's name and may have 63 characters.
MAX_JOB_NAME_LENGTH: Final = 48
LABEL_JOB: Final = f"{GROUP}/job"
LABEL_JOB_UID: Final = f"{GROUP}/job-uid"
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"
LABEL_COMPONENT: Final = f"{GROUP}/component"
ANNOTATION_FINGERPRINT: Final = f"{GROUP}/fingerprint"
#: Hashes of the parts of the spec that a child was created with; see ``fingerprints.py`` of the operator.
ANNOTATION_SPEC_PARTS: Final = f"{GROUP}/spec-parts"
#: Marks the Job of an attempt that has been created and not yet released; its pods may not start.
ANNOTATION_HELD: Final = f"{GROUP}/held"
#: On a Job that Kueue has put back into its queue: the number of the attempt that has taken it over.
ANNOTATION_TAKEN_OVER: Final = f"{GROUP}/taken-over-by"
#: Number of GPUs of a whole gang, by whichever resource they are requested.
ANNOTATION_GPUS: Final = f"{GROUP}/gpus"
#: Set to a new value by the job's author, it asks for a checkpoint now.
ANNOTATION_CHECKPOINT_NOW: Final = f"{GROUP}/checkpoint-now"
#: Set to a new value by the job's author, it reopens a failed job, which goes on from its last checkpoint.
ANNOTATION_RETRY: Final = f"{GROUP}/retry"
#: At most this much of the value of such an annotation is read.
MAX_REQUEST_LENGTH: Final = 253
COMPONENT_PREPARE: Final = "prepare"
COMPONENT_ATTEMPT: Final = "attempt"

# Paths in a trainer pod.
CONFIG_DIRECTORY: Final = "/etc/posefleet"
JOB_FILE: Final = f"{CONFIG_DIRECTORY}/job.json"
CA_DIRECTORY: Final = f"{CONFIG_DIRECTORY}/ca"
CACHE_DIRECTORY: Final = "/cache"
TERMINATION_LOG: Final = "/dev/termination-log"

# Environment of a trainer process. The credentials have the names that every S3 tool knows.
ENV_POD_IP: Final = "POD_IP"
ENV_CACHE_DIRECTORY: Final = "POSEFLEET_CACHE_DIR"
ENV_CACHE_BYTES: Final = "POSEFLEET_CACHE_BYTES"
ENV_CA_FILE: Final = "POSEFLEET_CA_FILE"
ENV_TERMINATION_LOG: Final = "POSEFLEET_TERMINATION_LOG"
#: Number of the attempt, or of the try of the preparation. Only pods that the operator creates have it.
ENV_NUMBER: Final = "POSEFLEET_NUMBER"
ENV_NODES: Final = "POSEFLEET_NODES"
ENV_PROCESSES_PER_NODE: Final = "POSEFLEET_PROCESSES_PER_NODE"
ENV_NODE_RANK: Final = "JOB_COMPLETION_INDEX"
ENV_RENDEZVOUS_HOST: Final = "MASTER_ADDR"
ENV_RENDEZVOUS_PORT: Final = "MASTER_PORT"
ENV_ACCESS_KEY: Final = "AWS_ACCESS_KEY_ID"
ENV_SECRET_KEY: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105  a variable's name
ENV_SESSION_TOKEN: Final = "AWS_SESSION_TOKEN"  # noqa: S105  a variable's name

#: On this port of the pod's address rank 0 serves ``/metrics`` for Prometheus, and for the operator ``/progress`` and
#: ``/checkpoint``.
TRAINER_PORT: Final = 9400
TRAINER_PORT_NAME: Final = "metrics"

#: After SIGTERM a trainer has this long to write a checkpoint and end with exit code 75.
TERMINATION_GRACE_SECONDS: Final = 120


def attempt_folder(number: int) -> str:
    """Return the folder of an attempt's logs (``node-<i>.log``) and ``summary.json``, relative to the output."""
    return f"attempts/{number}/"


def attempt_logs(output_uri: str, number: int) -> str:
    """Return the URI of ``attempt_folder``."""
    return f"{output_uri.rstrip('/')}/{attempt_folder(number)}"
