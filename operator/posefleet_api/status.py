"""The status of a job: phase, conditions, progress, attempts and results.

Phases, condition types, outcomes, reasons and stages are open vocabularies: a later version may add words, and this one
reads them, so that an operator can be rolled back. The ``Literal`` types below list the words that this version writes.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, StringConstraints

from posefleet_api.base import ApiModel, Matches, UniqueBy
from posefleet_api.constants import MAX_REQUEST_LENGTH
from posefleet_api.dataset import Storage
from posefleet_api.resources import Resources

Phase = Literal[
    "Pending", "Preparing", "Queued", "Starting", "Running", "BackingOff", "Suspended", "Succeeded", "Failed"
]
FINISHED_PHASES: frozenset[str] = frozenset({"Succeeded", "Failed"})
ConditionType = Literal["Prepared", "Running", "Suspended", "UpToDate", "Succeeded", "Failed", "Finished"]
Stage = Literal["prepare", "train", "predict", "report"]
AttemptOutcome = Literal["Succeeded", "Preempted", "InvalidInput", "Failed", "Stalled", "DeadlineExceeded"]
#: The status lists this many of the newest attempts, and counts the others.
MAX_ATTEMPTS: Final = 20
#: The status lists this many labelled videos. All of them are in the output.
MAX_LABELLED_VIDEOS: Final = 128

#: A number that the API server, JSON and a graph can all represent exactly.
Count = Annotated[int, Field(ge=0, le=2**53)]
Number = float
Text = Annotated[str, Field(max_length=1024)]
ResultUri = Annotated[str, Field(max_length=2048)]
Word = Annotated[
    str,
    StringConstraints(max_length=128),
    Matches("[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", "must be one CamelCase word"),
]
#: A time of RFC 3339. With the format date-time instead, the API server would accept an empty list as a time.
Timestamp = Annotated[
    str,
    Field(
        max_length=40,
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
        r"(\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
    ),
]


class Condition(ApiModel):
    """A condition in the form that all Kubernetes objects use."""

    type: Word
    """Type of the condition: Prepared, Running, Suspended, UpToDate, Succeeded, Failed or Finished."""
    status: Literal["True", "False", "Unknown"]
    """Status of the condition: True, False or Unknown."""
    reason: Word
    """Reason for the condition's last transition as one CamelCase word. docs/troubleshooting.md explains each."""
    message: Text = ""
    """Explanation of the reason for people, with what they can do about it."""
    last_transition_time: Timestamp
    """Time at which the status of the condition last changed."""
    observed_generation: Count = 0
    """Generation of the spec that the condition was set for."""


class Progress(ApiModel):
    """Progress of the current stage."""

    stage: Annotated[str, Field(max_length=32)] = "prepare"
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

    uri: ResultUri
    """URI of the checkpoint."""
    step: Count
    """Number of the optimizer step after which the checkpoint was written."""
    time: Timestamp
    """Time at which the checkpoint was complete in the store."""
    sha256: Annotated[str, Field(max_length=64)]
    """SHA-256 of the checkpoint file."""


class Attempt(ApiModel):
    """One attempt: a gang of pods, from its creation to its outcome."""

    number: Count
    """Number of the attempt, starting at 1."""
    job_uid: Annotated[str, Field(max_length=64)] | None = None
    """Uid of the Job of the attempt. Absent until the operator has seen that Job."""
    start_time: Timestamp
    """Time at which the operator decided to start the attempt."""
    running_time: Timestamp | None = None
    """Time from which all pods of the attempt ran."""
    end_time: Timestamp | None = None
    """Time at which the attempt ended."""
    outcome: Word | None = None
    """Outcome of the attempt: Succeeded, Preempted, InvalidInput, Failed, Stalled or DeadlineExceeded. It is absent
    while the attempt runs."""
    reason: Word | None = None
    """Reason for which the attempt ended as one CamelCase word. docs/troubleshooting.md explains each."""
    message: Text = ""
    """Explanation of the reason for people, with what they can do about it."""
    action: Word | None = None
    """Action of the rule of failurePolicy.rules that decided what follows the attempt: Retry, Ignore or Fail. It is
    absent if no rule applied."""
    priority_boost: Count | None = None
    """What Kueue adds to the priority of the attempt, if the operator is told to have the job preempted that loses
    least. It is absent if that is nothing."""
    nodes: Annotated[list[Annotated[str, Field(max_length=253)]], Field(max_length=256)] = []
    """Names of the nodes on which the pods ran, in the order of the ranks. Only the newest attempts list them."""
    gpus: Count = 0
    """Number of GPUs that the attempt held."""
    start_step: Count | None = None
    """Number of the optimizer step from which the attempt resumed."""
    end_step: Count | None = None
    """Number of the last optimizer step that the operator saw the attempt finish, once it has ended."""
    warnings: Annotated[list[Text], Field(max_length=16)] = []
    """Problems that the attempt worked around, such as a damaged checkpoint."""
    logs: ResultUri | None = None
    """URI of the folder with the logs (node-<i>.log) and the summary.json of the attempt, which remain when its pods
    are gone."""


class Artifacts(ApiModel):
    """The results of a job, as URIs."""

    report: ResultUri | None = None
    """URI of the report, an HTML page."""
    predictions: ResultUri | None = None
    """URI of the folder with the predictions."""
    model: ResultUri | None = None
    """URI of the trained weights."""
    labelled_videos: Annotated[list[ResultUri], Field(max_length=MAX_LABELLED_VIDEOS)] = []
    """URIs of videos with keypoints drawn in. Of more than 128 videos, only the first are listed."""


class Preparation(ApiModel):
    """The preparation of the data and its tries, each of which is a Job."""

    tries: Count = 0
    """Number of tries so far."""
    failures: Count = 0
    """Number of tries that failed and count against failurePolicy.maxFailures."""
    unreachable: Count = 0
    """Number of latest tries in a row that were not the job's fault, for example because the store did not answer."""
    end_time: Timestamp | None = None
    """Time at which the last try ended."""
    fingerprint: Annotated[str, Field(max_length=64)] = ""
    """Hash of the parts of the spec for which the last try prepared the data."""
    warnings: Annotated[list[Text], Field(max_length=64)] = []
    """Problems that the preparation worked around, such as a label row that it dropped."""


class Resolved(ApiModel):
    """What the job uses after the defaults of the cluster have been filled in."""

    storage: Storage | None = None
    """The object store."""
    resources: Resources = Resources()
    """What the next attempt takes from the cluster."""


class Status(ApiModel):
    """Most recently observed status of the job."""

    observed_generation: Count = 0
    """Most recent generation of the spec that the operator has seen."""
    phase: Word = "Pending"
    """Summary of where the job is in its life: Pending, Preparing, Queued (Kueue has not admitted it yet), Starting
    (not all pods run yet), Running, BackingOff (before the next attempt), Suspended, Succeeded or Failed. Programs
    should read the conditions."""
    queue_position: Annotated[str, Field(max_length=16)] | None = None
    """Place of a Queued job in the line of its Kueue ClusterQueue, such as 1, 20+ or 300+, if the operator is told to
    read it."""
    conditions: Annotated[list[Condition], Field(max_length=16), UniqueBy("type")] = []
    """Conditions of the job. Finished becomes True however the job ends, and then Succeeded or Failed is True as well.
    UpToDate is False while a running attempt was started before the latest change of the spec."""
    start_time: Timestamp | None = None
    """Time at which the operator first saw the job, or last reopened it."""
    completion_time: Timestamp | None = None
    """Time at which the job succeeded or failed."""
    preparation: Preparation = Preparation()
    """The preparation of the data."""
    progress: Progress | None = None
    """Progress of the current stage."""
    current_attempt: Count | None = None
    """Number of the newest attempt."""
    attempts: Annotated[list[Attempt], Field(max_length=MAX_ATTEMPTS), UniqueBy("number")] = []
    """The newest attempts, the newest last."""
    failed_attempts: Count = 0
    """Number of attempts that count against failurePolicy.maxFailures."""
    preempted_attempts: Count = 0
    """Number of attempts that ended without counting as failures."""
    gpus: Count = 0
    """Number of GPUs that the job holds or asks for."""
    last_checkpoint: Checkpoint | None = None
    """The newest checkpoint in the store, from which the next attempt resumes."""
    artifacts: Artifacts | None = None
    """The results of the job."""
    gpu_seconds: Count = 0
    """Number of GPU-seconds that all finished attempts held together."""
    queue_seconds: Count = 0
    """Number of seconds that all attempts together waited for their pods to run."""
    resolved: Resolved | None = None
    """What the job uses after the defaults of the cluster have been filled in."""
    checkpoint_request: Annotated[str, Field(max_length=MAX_REQUEST_LENGTH)] = ""
    """Last value of the annotation posefleet.io/checkpoint-now that was handled: a checkpoint was taken for it, or no
    attempt ran."""
    retry_request: Annotated[str, Field(max_length=MAX_REQUEST_LENGTH)] = ""
    """Last value of the annotation posefleet.io/retry that the operator has handled."""
    reopened_after_attempt: int | None = None
    """Number of the newest attempt when the job was last reopened. Failures up to it no longer count."""

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Self:
        """Read a status as any version of the operator has written it. Unknown fields are ignored at any depth.

        Raises:
            ValidationError: if a known field has another type than in this version.
        """
        return cls.model_validate(dict(fields), extra="ignore")
