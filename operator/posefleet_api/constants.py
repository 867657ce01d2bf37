"""Names that the API server, the operator and the trainer agree on."""

from typing import Final

GROUP: Final = "posefleet.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "PoseTrainingJob"
PLURAL: Final = "posetrainingjobs"
SINGULAR: Final = "posetrainingjob"
SHORT_NAME: Final = "ptj"
# A job's name is the stem of host names such as ``<job>-a12-0``, which may have 63 characters.
MAX_JOB_NAME_LENGTH: Final = 48
LABEL_JOB: Final = f"{GROUP}/job"
LABEL_JOB_UID: Final = f"{GROUP}/job-uid"
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"
LABEL_COMPONENT: Final = f"{GROUP}/component"
ANNOTATION_FINGERPRINT: Final = f"{GROUP}/fingerprint"
#: Of what the author says of the pods; see ``policies/shape.py`` of the operator.
ANNOTATION_POD_FINGERPRINT: Final = f"{GROUP}/pod-fingerprint"
#: GPUs of a whole gang, whatever resource they are asked for by.
ANNOTATION_GPUS: Final = f"{GROUP}/gpus"
COMPONENT_PREPARE: Final = "prepare"
COMPONENT_ATTEMPT: Final = "attempt"
# Where a trainer pod finds what the operator gives it.
JOB_FILE: Final = "/etc/posefleet/job.json"
CACHE_DIRECTORY: Final = "/cache"
CA_DIRECTORY: Final = "/etc/posefleet/ca"
TERMINATION_LOG: Final = "/dev/termination-log"
# Environment of a trainer process. The credentials keep the names that every S3 tool knows.
ENV_POD_IP: Final = "POD_IP"
ENV_CACHE_DIRECTORY: Final = "POSEFLEET_CACHE_DIR"
ENV_CACHE_BYTES: Final = "POSEFLEET_CACHE_BYTES"
ENV_CA_FILE: Final = "POSEFLEET_CA_FILE"
ENV_TERMINATION_LOG: Final = "POSEFLEET_TERMINATION_LOG"
#: Of the attempt, or of the try of the preparation; only pods of the operator have one.
ENV_NUMBER: Final = "POSEFLEET_NUMBER"
ENV_NODES: Final = "POSEFLEET_NODES"
ENV_PROCESSES_PER_NODE: Final = "POSEFLEET_PROCESSES_PER_NODE"
ENV_NODE_RANK: Final = "JOB_COMPLETION_INDEX"
ENV_RENDEZVOUS_HOST: Final = "MASTER_ADDR"
ENV_RENDEZVOUS_PORT: Final = "MASTER_PORT"
ENV_ACCESS_KEY: Final = "AWS_ACCESS_KEY_ID"
ENV_SECRET_KEY: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105  a variable's name
ENV_SESSION_TOKEN: Final = "AWS_SESSION_TOKEN"  # noqa: S105  a variable's name
# Rank 0 serves ``/metrics`` (Prometheus) and ``/progress`` (``ProgressReport`` as JSON) here, on the pod's own address.
TRAINER_PORT: Final = 9400
TRAINER_PORT_NAME: Final = "metrics"
# A checkpoint, and exit 75, must fit in here after SIGTERM.
TERMINATION_GRACE_SECONDS: Final = 120


def attempt_folder(number: int) -> str:
    """The folder of an attempt's logs (``node-<i>.log``) and of its ``summary.json``, below the output."""
    return f"attempts/{number}/"


def attempt_logs(output_uri: str, number: int) -> str:
    """``attempt_folder`` as a URI."""
    return f"{output_uri.rstrip('/')}/{attempt_folder(number)}"
