"""The location of data and results: ``spec.dataset``, ``spec.storage`` and ``spec.output``."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from posefleet_api.base import ApiModel, rules
from posefleet_api.pod import LocalReference
from posefleet_api.values import (
    Endpoint,
    KeypointRef,
    OptionalUri,
    Region,
    RelativePath,
    Uri,
)

Percent = Annotated[int, Field(ge=0, le=99)]
_LEAVES_FRAMES = "validationPercent and testPercent together must leave frames to train on"


class Split(ApiModel):
    """How the labelled frames are divided into training, validation and test. The draw depends only on
    training.seed."""

    model_config = {"json_schema_extra": rules(("self.validationPercent + self.testPercent < 100", _LEAVES_FRAMES))}
    computed_with = frozenset({"validation_percent", "test_percent"})

    validation_percent: Percent = 10
    """Percentage of the labelled frames that measure the progress of training and are not trained on."""
    test_percent: Percent = 10
    """Percentage of the labelled frames that are evaluated only after training."""

    @model_validator(mode="after")
    def _leaves_training_frames(self) -> "Split":
        if self.validation_percent + self.test_percent >= 100:
            raise ValueError(_LEAVES_FRAMES)
        return self


FormatName = Literal["lightningPose", "deepLabCut"]


class Dataset(ApiModel):
    """A project folder of Lightning Pose or DeepLabCut: labels, the labelled frames, and videos."""

    uri: Uri
    """URI of the project folder: s3://BUCKET/PREFIX/ or file:///PATH/."""
    format: Literal["auto", FormatName] = "auto"
    """Format of the project folder. auto is lightningPose if the folder has the file of dataset.labels, and otherwise
    deepLabCut if it has labeled-data/*/CollectedData_*.csv. The condition Prepared and the report name the format."""
    labels: RelativePath = "CollectedData.csv"
    """Path of the labels file in a Lightning Pose project. If there is a NAME_new.csv beside it, that file is evaluated
    as out-of-distribution data, and a NAME_test.csv as a test set of its own."""
    videos: Annotated[list[RelativePath], Field(max_length=64)] = ["videos/*.mp4"]
    """Unlabelled videos for the unsupervised losses, as glob patterns relative to the project folder. In a DeepLabCut
    project the default stands for all recordings in videos/, of any container."""
    skeleton: Annotated[
        list[Annotated[list[KeypointRef], Field(min_length=2, max_length=2)]], Field(max_length=128)
    ] = []
    """Pairs of keypoints that are joined by lines in the labelled videos. A keypoint is given by its name, or by its
    number starting at 0. If it is empty, the skeleton of a DeepLabCut project is used."""
    split: Split = Split()
    """How the labelled frames are divided into training, validation and test."""


class Storage(ApiModel):
    """An S3-compatible object store, such as MinIO, Ceph, SeaweedFS or AWS S3."""

    endpoint: Endpoint
    """Address of the store, such as http://minio.minio:9000 or https://s3.eu-central-1.amazonaws.com."""
    credentials_secret_ref: LocalReference | None = None
    """A Secret in the job's namespace with the keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and optionally
    AWS_SESSION_TOKEN. If it is left out, access is anonymous."""
    ca_secret_ref: LocalReference | None = None
    """A Secret in the job's namespace whose key ca.crt holds the certificate authority of the store. If it is left out,
    the public certificate authorities are used."""
    region: Region = ""
    """Region for which requests are signed. If it is empty, the store is asked for it."""


class Output(ApiModel):
    """The location of the results."""

    uri: Uri
    """URI of a folder that belongs to this job alone. It receives checkpoints, model, predictions, labelled videos and
    report."""
    cache_uri: OptionalUri = ""
    """URI of a folder for prepared data, that is, indexes of the videos and copies at training size, which all jobs
    share. If it is empty, the folder is .posefleet/ at the root of the output's bucket, or beside a file:// output."""
    overwrite: bool = False
    """Whether a finished model that another training has left in the output is replaced, with its predictions and its
    report. If it is false, such a job is refused while its data is prepared."""
