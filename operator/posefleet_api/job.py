"""The PoseTrainingJob resource, and how a manifest becomes one."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator

from posefleet_api.base import ApiModel, Matches, rules, validation_messages
from posefleet_api.constants import MAX_JOB_NAME_LENGTH
from posefleet_api.dataset import Dataset, Output, Storage
from posefleet_api.model import Losses, Model
from posefleet_api.pod import PodOptions
from posefleet_api.resources import FailurePolicy, Resources
from posefleet_api.status import Status
from posefleet_api.training import Checkpoint, Predict, Training
from posefleet_api.values import LabelName

#: A little more than sixty years. The operator computes points in time with it.
_MAX_SECONDS = 2**31 - 1


class Spec(ApiModel):
    """Desired training. dataset.uri and output.uri are required, and so is storage for s3:// URIs, unless the
    administrator of your cluster has set a default store."""

    dataset: Dataset
    """The labelled frames and the videos."""
    storage: Storage | None = None
    """The object store of all s3:// URIs. If it is left out, the default store of your cluster is used."""
    output: Output
    """The location of the results."""
    model: Model = Model()
    """The network that is trained."""
    losses: Losses = Losses()
    """Unsupervised losses on unlabelled video."""
    training: Training = Training()
    """How the network is trained."""
    checkpoint: Checkpoint = Checkpoint()
    """How often training is saved, and from which weights it starts."""
    predict: Predict = Predict()
    """What is predicted after training."""
    resources: Resources = Resources()
    """What the job takes from the cluster."""
    failure_policy: FailurePolicy = FailurePolicy()
    """How often and how soon a failed attempt is followed by another one."""
    queue: LabelName = ""
    """Name of the Kueue LocalQueue that admits the job's pods. If it is empty, no queue is used."""
    suspend: bool = False
    """Whether the job is suspended. If it is set to true, training writes a checkpoint and releases its nodes. If it
    is set back to false, training goes on from that checkpoint."""
    active_deadline_seconds: Annotated[int, Field(ge=1, le=_MAX_SECONDS)] | None = None
    """Number of seconds after which a job that has not finished fails, counted from when the operator first saw it or
    last reopened it."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=_MAX_SECONDS)] | None = None
    """Number of seconds after which a finished job is deleted. Its results remain in the store."""
    pod: PodOptions = PodOptions()
    """What the job adds to its pods."""

    @property
    def needs_store(self) -> bool:
        """Whether any data or results of the job are in an object store."""
        uris = (self.dataset.uri, self.output.uri, self.output.cache_uri, self.checkpoint.resume_from)
        return any(uri.startswith("s3://") for uri in uris)


_NAME = "[a-z]([-a-z0-9]*[a-z0-9])?"
_NAME_RULE = (
    "must begin with a letter and have only a-z, 0-9 and '-', since pods and Services are named after it: "
    "write mouse-2026-01-15 rather than 2026-01-15 or mouse.2026-01-15"
)


class Metadata(ApiModel):
    """The fields of the metadata that posefleet reads."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(min_length=1, max_length=MAX_JOB_NAME_LENGTH), Matches(_NAME, _NAME_RULE)]
    namespace: str = "default"
    uid: str = ""
    generation: int = 0


#: These parts decide what a job computes, so they are fixed once training has started. How it runs may change.
_FIXED = ("dataset", "output", "model", "losses", "training", "checkpoint.resumeFrom", "predict.videos")
_SAME = " && ".join(f"self.spec.{name} == oldSelf.spec.{name}" for name in _FIXED)
_ROOT_RULES = rules(
    (
        f"size(self.metadata.name) <= {MAX_JOB_NAME_LENGTH}",
        f"metadata.name must have at most {MAX_JOB_NAME_LENGTH} characters: host names are made of it",
    ),
    (f"self.metadata.name.matches('^{_NAME}$')", f"metadata.name {_NAME_RULE}"),
    (
        f"!has(oldSelf.status) || !has(oldSelf.status.currentAttempt) || ({_SAME})",
        "dataset, output, model, losses, training, checkpoint.resumeFrom and predict.videos cannot change once "
        "training has begun: apply a job with another name",
    ),
)


class PoseTrainingJob(ApiModel):
    """A PoseTrainingJob trains one pose-estimation model, from labelled frames and videos to predictions and a
    report."""

    model_config = {"json_schema_extra": _ROOT_RULES}

    api_version: Literal["posefleet.io/v1alpha1"]
    kind: Literal["PoseTrainingJob"]
    metadata: Metadata
    spec: Spec
    """Desired training."""
    status: Status | None = None
    """Most recently observed status of the job."""

    @field_validator("status", mode="before")
    @classmethod
    def _of_any_version(cls, value: Any) -> Any:
        """Read a status that an operator of another version has written."""
        return Status.read(value) if isinstance(value, Mapping) else value


_NO_SUCH_FIELD = "no such field; `kubectl explain ptj.spec --recursive` lists them all"


def parse_job(manifest: dict[str, Any]) -> PoseTrainingJob:
    """Return the job that a manifest describes.

    Raises:
        InvalidManifest: if a field is wrong. The message has a line for each such field.
    """
    try:
        return PoseTrainingJob.model_validate(manifest)
    except ValidationError as error:
        raise InvalidManifest(validation_messages(error, _NO_SUCH_FIELD)) from None


class InvalidManifest(ValueError):
    """A manifest does not describe a valid job. The message has a line for every mistake."""
