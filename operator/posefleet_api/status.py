"""The status of a job: phase, conditions, progress, attempts and results."""

from typing import Annotated, Literal

from pydantic import Field

from posefleet_api.base import ApiModel

Phase = Literal["Pending", "Preparing", "Queued", "Running", "Succeeded", "Failed", "Suspended"]
FINISHED_PHASES: frozenset[str] = frozenset({"Succeeded", "Failed"})
ConditionType = Literal["Prepared", "Running", "Suspended", "Succeeded", "Failed"]
Stage = Literal["prepare", "train", "predict", "report"]
AttemptOutcome = Literal["", "Succeeded", "Preempted", "InvalidInput", "Failed", "Stalled", "DeadlineExceeded"]

#: A number that the API server, JSON and a graph can all represent exactly.
Count = Annotated[int, Field(ge=0, le=2**53)]
Number = Annotated[float, Field(strict=False)]
Text = Annotated[str, Field(max_length=4096)]
Timestamp = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]


class Condition(ApiModel):
    """A condition in the form that all Kubernetes objects use."""

    type: ConditionType
    """Type of the condition: Prepared, Running, Suspended, Succeeded or Failed."""
    status: Literal["True", "False", "Unknown"]
    """Status of the condition: True, False or Unknown."""
    reason: Annotated[str, Field(max_length=128)]
    """Reason for the condition's last transition as one CamelCase word. docs/troubleshooting.md explains each."""
    message: Text = ""
    """Explanation of the reason for people, with what they can do about it."""
    last_transition_time: Timestamp
    """Time at which the status of the condition last changed."""
    observed_generation: int = 0
    """Generation of the spec that the condition was set for."""


class Progress(ApiModel):
    """Progress of the current stage."""

    stage: Stage = "prepare"
    """Current stage: prepare, train, predict or report."""
    epoch: Count = 0
    """Number of epochs that are done."""
    epochs: Count = 0
    """Total number of epochs."""
    step: Count = 0
    """Number of optimizer steps that are done, over all attempts."""
    steps: Count = 0
    """Total number of optimizer steps."""
    percent: Annotated[int, Field(ge=0, le=100)] = 0
    """Percentage of the current stage that is done."""
    eta_seconds: Count | None = None
    """Estimated number of seconds until the current stage is done."""
    frames_per_second: Number | None = None
    """Number of frames per second that pass through the network, over all ranks."""
    loss: Number | None = None
    """Smoothed training loss, rounded to four digits."""
    validation_pixel_error: Number | None = None
    """Mean distance between predictions and validation labels at the last measurement, in pixels of the source
    frames."""
    display: Annotated[str, Field(max_length=64)] = ""
    """Stage and percentage as shown in the PROGRESS column."""
    eta: Annotated[str, Field(max_length=32)] = ""
    """etaSeconds as shown in the ETA column, such as 3m10s."""


class Checkpoint(ApiModel):
    """A complete checkpoint in the object store."""

    uri: Text
    """URI of the checkpoint."""
    step: Count
    """Number of the optimizer step after which the checkpoint was written."""
    time: Timestamp
    """Time at which the checkpoint was complete in the store."""
    sha256: Annotated[str, Field(max_length=64)]
    """SHA-256 of the checkpoint file."""


class Attempt(ApiModel):
    """One attempt: a gang of pods, from its creation to its outcome."""

    number: int
    """Number of the attempt, starting at 1."""
    job_uid: Annotated[str, Field(max_length=64)] | None = None
    """Uid of the Job of the attempt. Absent until the operator has seen that Job."""
    start_time: Timestamp
    """Time at which the operator decided to start the attempt."""
    running_time: Timestamp | None = None
    """Time from which all pods of the attempt ran."""
    end_time: Timestamp | None = None
    """Time at which the attempt ended."""
    outcome: AttemptOutcome = ""
    """Outcome of the attempt. Empty while the attempt runs."""
    reason: Annotated[str, Field(max_length=128)] = ""
    """Reason for which the attempt ended as one CamelCase word. docs/troubleshooting.md explains each."""
    message: Text = ""
    """Explanation of the reason for people, with what they can do about it."""
    nodes: Annotated[list[str], Field(max_length=256)] = []
    """Names of the nodes on which the pods ran, in the order of the ranks."""
    gpus: int = 0
    """Number of GPUs that the attempt held."""
    start_step: Count | None = None
    """Number of the optimizer step from which the attempt resumed."""
    end_step: Count | None = None
    """Number of the last optimizer step that the operator saw the attempt finish."""
    warnings: Annotated[list[Text], Field(max_length=16)] = []
    """Problems that the attempt worked around, such as a damaged checkpoint."""
    logs: Text | None = None
    """URI of the folder with the logs (node-<i>.log) and the summary.json of the attempt, which remain when its pods
    are gone."""


class Artifacts(ApiModel):
    """The results of a job, as URIs."""

    report: Text | None = None
    """URI of the report, an HTML page."""
    predictions: Text | None = None
    """URI of the folder with the predictions."""
    model: Text | None = None
    """URI of the trained weights."""
    labelled_videos: Annotated[list[Text], Field(max_length=1024)] = []
    """URIs of the videos with keypoints drawn in."""


class Preparation(ApiModel):
    """The preparation of the data and its tries, each of which is a Job."""

    tries: int = 0
    """Number of tries so far."""
    failures: int = 0
    """Number of tries that failed and count against failurePolicy.maxAttempts."""
    unreachable: int = 0
    """Number of latest tries in a row that were not the job's fault, for example because the store did not answer."""
    end_time: Timestamp | None = None
    """Time at which the last try ended."""
    fingerprint: Annotated[str, Field(max_length=64)] = ""
    """Hash of the parts of the spec for which the last try prepared the data."""
    warnings: Annotated[list[Text], Field(max_length=64)] = []
    """Problems that the preparation worked around, such as a label row that it dropped."""


class Status(ApiModel):
    """Most recently observed status of the job."""

    observed_generation: int = 0
    """Most recent generation of the spec that the operator has seen."""
    phase: Phase = "Pending"
    """Summary of where the job is in its life."""
    conditions: Annotated[list[Condition], Field(max_length=8, json_schema_extra={
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})] = []  # fmt: skip
    """Conditions of the job, of the types Prepared, Running, Suspended, Succeeded and Failed."""
    start_time: Timestamp | None = None
    """Time at which the operator first saw the job."""
    completion_time: Timestamp | None = None
    """Time at which the job succeeded or failed."""
    preparation: Preparation = Preparation()
    """The preparation of the data."""
    progress: Progress | None = None
    """Progress of the current stage."""
    attempt: int | None = None
    """Number of the newest attempt."""
    attempts: Annotated[list[Attempt], Field(max_length=256)] = []
    """All attempts, the newest last. Of more than 256 attempts only the newest are kept."""
    failed_attempts: int = 0
    """Number of attempts that count against failurePolicy.maxAttempts."""
    gpus: int = 0
    """Number of GPUs that the job holds or asks for."""
    last_checkpoint: Checkpoint | None = None
    """The newest checkpoint in the store, from which the next attempt resumes."""
    artifacts: Artifacts | None = None
    """The results of the job."""
    gpu_seconds: int = 0
    """Number of GPU-seconds that all finished attempts held together."""
    queue_seconds: int = 0
    """Number of seconds that all attempts together waited for their pods to run."""
