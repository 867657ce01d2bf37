"""What the operator reports: ``status``."""

from typing import Annotated, Literal

from pydantic import Field

from posefleet_api.base import ApiModel

Phase = Literal["Pending", "Preparing", "Queued", "Running", "Succeeded", "Failed", "Suspended"]
FINISHED_PHASES: frozenset[str] = frozenset({"Succeeded", "Failed"})
ConditionType = Literal["Prepared", "Running", "Suspended", "Succeeded", "Failed"]
Stage = Literal["prepare", "train", "predict", "report"]
AttemptOutcome = Literal["", "Succeeded", "Preempted", "InvalidInput", "Failed", "Stalled", "DeadlineExceeded"]

#: What the API server, JSON and a graph can all hold.
Count = Annotated[int, Field(ge=0, le=2**53)]
Number = Annotated[float, Field(strict=False)]
Text = Annotated[str, Field(max_length=4096)]
Timestamp = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]


class Condition(ApiModel):
    """A condition as Kubernetes has them."""

    type: ConditionType
    """Prepared, Running, Suspended, Succeeded or Failed."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: Annotated[str, Field(max_length=128)]
    """Why, in one CamelCase word."""
    message: Text = ""
    """Why, in a sentence, and what to do."""
    last_transition_time: Timestamp
    """When status changed last."""
    observed_generation: int = 0
    """The generation of the spec that this speaks of."""


class Progress(ApiModel):
    """How far the job is."""

    stage: Stage = "prepare"
    """prepare, train, predict or report."""
    epoch: Count = 0
    """Epochs finished."""
    epochs: Count = 0
    """Epochs in all."""
    step: Count = 0
    """Optimizer steps finished, over all attempts."""
    steps: Count = 0
    """Optimizer steps in all."""
    percent: Annotated[int, Field(ge=0, le=100)] = 0
    """Of the stage."""
    eta_seconds: Count | None = None
    """Seconds until the stage ends, at the present rate."""
    frames_per_second: Number | None = None
    """Frames through the network per second, over all ranks."""
    loss: Number | None = None
    """The training loss, smoothed, to four digits."""
    validation_pixel_error: Number | None = None
    """Mean distance to the validation labels in pixels of the source frames, at the last measurement."""
    display: Annotated[str, Field(max_length=64)] = ""
    """Stage and percent for the PROGRESS column."""
    eta: Annotated[str, Field(max_length=32)] = ""
    """etaSeconds for the ETA column, such as 3m10s."""


class Checkpoint(ApiModel):
    """A checkpoint in the store."""

    uri: Text
    """Where it is."""
    step: Count
    """The step that it was written after."""
    time: Timestamp
    """When it was complete in the store."""
    sha256: Annotated[str, Field(max_length=64)]
    """Of the file's bytes."""


class Attempt(ApiModel):
    """One gang of pods, from its start to its outcome."""

    number: int
    """From 1."""
    start_time: Timestamp
    """When its Job was created."""
    running_time: Timestamp | None = None
    """When all its pods ran."""
    end_time: Timestamp | None = None
    """When it ended."""
    outcome: AttemptOutcome = ""
    """Empty while it runs."""
    reason: Annotated[str, Field(max_length=128)] = ""
    """Why it ended, in one CamelCase word."""
    message: Text = ""
    """Why it ended, and what to do."""
    nodes: Annotated[list[str], Field(max_length=256)] = []
    """Where its pods ran, in the order of their ranks."""
    gpus: int = 0
    """GPUs that it held."""
    start_step: Count | None = None
    """The step that it resumed from."""
    end_step: Count | None = None
    """The last step that it was seen to finish."""
    warnings: Annotated[list[Text], Field(max_length=16)] = []
    """What it passed over, such as a checkpoint that was damaged."""
    logs: Text | None = None
    """Where its logs (node-<i>.log) and its summary.json are kept when its pods are gone."""


class Artifacts(ApiModel):
    """Where the results are."""

    report: Text | None = None
    """The report, one HTML page."""
    predictions: Text | None = None
    """The folder of the predictions."""
    model: Text | None = None
    """The trained weights."""
    labelled_videos: Annotated[list[Text], Field(max_length=1024)] = []
    """The videos with keypoints drawn in."""


class Preparation(ApiModel):
    """The tries of the prepare Job."""

    tries: int = 0
    """Prepare Jobs created."""
    failures: int = 0
    """Those that failed and count against failurePolicy.maxAttempts."""
    unreachable: int = 0
    """The latest in a row that ended for reasons that are not the job's, such as a store that did not answer."""
    end_time: Timestamp | None = None
    """When the last one ended."""
    fingerprint: Annotated[str, Field(max_length=64)] = ""
    """Of the part of the spec that the last one prepared for."""
    warnings: Annotated[list[Text], Field(max_length=64)] = []
    """What was dropped or passed over."""


class Status(ApiModel):
    """The product's face."""

    observed_generation: int = 0
    """The generation of the spec that the operator has seen."""
    phase: Phase = "Pending"
    """Where the job is in its life."""
    conditions: Annotated[list[Condition], Field(max_length=8, json_schema_extra={
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})] = []  # fmt: skip
    """Prepared, Running, Suspended, Succeeded, Failed."""
    start_time: Timestamp | None = None
    """When the operator first saw the job."""
    completion_time: Timestamp | None = None
    """When it succeeded or failed."""
    preparation: Preparation = Preparation()
    """The tries of the prepare Job."""
    progress: Progress | None = None
    """How far the job is."""
    attempt: int | None = None
    """The number of the newest attempt."""
    attempts: Annotated[list[Attempt], Field(max_length=256)] = []
    """Every attempt, the newest last; of more than 256 the newest."""
    failed_attempts: int = 0
    """Attempts that counted against failurePolicy.maxAttempts."""
    gpus: int = 0
    """GPUs that the job holds or asks for."""
    last_checkpoint: Checkpoint | None = None
    """The newest checkpoint in the store."""
    artifacts: Artifacts | None = None
    """Where the results are."""
    gpu_seconds: int = 0
    """GPU-seconds that finished attempts held."""
    queue_seconds: int = 0
    """Seconds that attempts waited for all their pods to run."""
