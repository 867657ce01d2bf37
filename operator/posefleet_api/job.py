"""The whole resource."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from posefleet_api.base import ApiModel, Matches, rules, validation_messages
from posefleet_api.constants import MAX_JOB_NAME_LENGTH
from posefleet_api.dataset import Dataset, Output, Storage
from posefleet_api.model import Losses, Model, SingleViewPcaLoss, TemporalLoss
from posefleet_api.resources import FailurePolicy, PodTemplate, Resources
from posefleet_api.status import Status
from posefleet_api.training import Checkpoint, Predict, Training
from posefleet_api.values import ObjectName


class Spec(ApiModel):
    """What to train, on what, and with which means. Only dataset.uri, output.uri and, for s3:// URIs of a cluster
    whose posefleet knows no store, storage must be given."""

    dataset: Dataset
    """The labelled frames and the videos."""
    storage: Storage | None = None
    """The object store of all s3:// URIs. Absent: the store that your cluster's posefleet was installed with."""
    output: Output
    """Where results go."""
    model: Model = Model()
    """The network."""
    losses: Losses = Losses(temporal=TemporalLoss(), pca_single_view=SingleViewPcaLoss())
    """Unsupervised losses on unlabelled video; {} for none."""
    training: Training = Training()
    """The optimisation."""
    checkpoint: Checkpoint = Checkpoint()
    """How often training is saved, and what it starts from."""
    predict: Predict = Predict()
    """What happens after training."""
    resources: Resources = Resources()
    """What the job takes from the cluster."""
    failure_policy: FailurePolicy = FailurePolicy()
    """How often an attempt may fail."""
    queue: ObjectName = ""
    """The Kueue LocalQueue that admits the job's pods. Empty: no queue."""
    suspend: bool = False
    """True: write a checkpoint and give the nodes back; false again: go on from it."""
    active_deadline_seconds: Annotated[int, Field(ge=1)] | None = None
    """Seconds from the job's start to the end of all attempts."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0)] | None = None
    """Seconds after which a finished job is deleted. Its results stay in the store."""
    pod_template: PodTemplate = PodTemplate()
    """What the job adds to its pods."""

    @property
    def needs_store(self) -> bool:
        """Whether anything of the job lies in an object store."""
        uris = (self.dataset.uri, self.output.uri, self.output.cache_uri, self.checkpoint.resume_from)
        return any(uri.startswith("s3://") for uri in uris)


_NAME = "[a-z]([-a-z0-9]*[a-z0-9])?"
_NAME_RULE = (
    "must begin with a letter and have only a-z, 0-9 and '-', since pods and Services are named after it: "
    "write mouse-2026-01-15 rather than 2026-01-15 or mouse.2026-01-15"
)


class Metadata(ApiModel):
    """What posefleet reads of a resource's metadata."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(min_length=1, max_length=MAX_JOB_NAME_LENGTH), Matches(_NAME, _NAME_RULE)]
    namespace: str = "default"
    uid: str = ""
    generation: int = 0


#: What a job that has trained may still change: how it runs, not what it computes.
_FIXED = ("dataset", "output", "model", "losses", "training")
_SAME = " && ".join(f"self.spec.{name} == oldSelf.spec.{name}" for name in _FIXED)
_ROOT_RULES = rules(
    (
        f"size(self.metadata.name) <= {MAX_JOB_NAME_LENGTH}",
        f"metadata.name must have at most {MAX_JOB_NAME_LENGTH} characters: host names are made of it",
    ),
    (f"self.metadata.name.matches('^{_NAME}$')", f"metadata.name {_NAME_RULE}"),
    (
        f"!has(oldSelf.status) || !has(oldSelf.status.attempt) || ({_SAME})",
        "dataset, output, model, losses and training cannot change once training has begun: apply a new job",
    ),
)


class PoseTrainingJob(ApiModel):
    """A training of one pose-estimation model, from labelled frames and videos to predictions and a report."""

    model_config = {"json_schema_extra": _ROOT_RULES}

    api_version: Literal["posefleet.io/v1alpha1"]
    kind: Literal["PoseTrainingJob"]
    metadata: Metadata
    spec: Spec
    """What to train, on what, and with which means."""
    status: Status | None = None
    """What the operator reports."""


_NO_SUCH_FIELD = "no such field; `kubectl explain ptj.spec --recursive` lists them all"


def parse_job(manifest: dict[str, Any]) -> PoseTrainingJob:
    """The job of a manifest.

    Raises:
        InvalidManifest: with a sentence for every field that is wrong.
    """
    try:
        return PoseTrainingJob.model_validate(manifest)
    except ValidationError as error:
        raise InvalidManifest(validation_messages(error, _NO_SUCH_FIELD)) from None


class InvalidManifest(ValueError):
    """A manifest that does not say what a job needs; a sentence for every mistake."""
