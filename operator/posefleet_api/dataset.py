"""Where the data are and how they are read: ``spec.dataset``, ``spec.storage`` and ``spec.output``."""

from typing import Annotated

from pydantic import Field, model_validator

from posefleet_api.base import ApiModel, rules
from posefleet_api.values import (
    Endpoint,
    KeypointRef,
    LabelText,
    ObjectName,
    OptionalUri,
    RelativePath,
    Uri,
)

Share = Annotated[float, Field(ge=0, lt=1)]


class Split(ApiModel):
    """How the labelled frames are shared out; the draw depends on ``training.seed`` alone."""

    model_config = {
        "json_schema_extra": rules(
            (
                "self.validation + self.test < 1.0",
                "validation and test together must leave frames to train on",
            )
        )
    }

    validation: Share = 0.1
    """Share of the labelled frames that measure the training but are not trained on."""
    test: Share = 0.1
    """Share of the labelled frames that are looked at only in the end."""

    @model_validator(mode="after")
    def _leaves_training_frames(self) -> "Split":
        if self.validation + self.test >= 1.0:
            raise ValueError("validation and test together must leave frames to train on")
        return self


class Dataset(ApiModel):
    """A Lightning Pose project folder: a labels file, the labelled frames, and videos."""

    uri: Uri
    """The project folder: s3://BUCKET/PREFIX/ or file:///PATH/."""
    labels: RelativePath = "CollectedData.csv"
    """The labels file in the project folder. If NAME_new.csv stands beside it, it is evaluated as
    out-of-distribution data."""
    videos: Annotated[list[RelativePath], Field(max_length=64)] = ["videos/*.mp4"]
    """Unlabelled videos for the unsupervised losses, as patterns inside the project folder."""
    skeleton: Annotated[
        list[Annotated[list[KeypointRef], Field(min_length=2, max_length=2)]], Field(max_length=128)
    ] = []
    """Pairs of keypoints (names, or numbers from 0) to join by lines in the labelled videos."""
    split: Split = Split()
    """How the labelled frames are shared out between training, validation and test."""


class Storage(ApiModel):
    """An S3-compatible object store: MinIO, Ceph, SeaweedFS, AWS and others."""

    endpoint: Endpoint
    """The store's address, such as http://minio.minio:9000 or https://s3.eu-central-1.amazonaws.com."""
    credentials_secret: ObjectName = ""
    """A Secret in the job's namespace with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and
    AWS_SESSION_TOKEN, if any). Empty: anonymous."""
    ca_secret: ObjectName = ""
    """A Secret in the job's namespace whose key ca.crt holds the certificate authority of the store."""
    region: LabelText = ""
    """The region to sign for; empty lets the store say it."""


class Output(ApiModel):
    """Where results go."""

    uri: Uri
    """A folder of the job's own: checkpoints, model, predictions, labelled videos, report."""
    cache_uri: OptionalUri = ""
    """A folder for prepared data (training-size proxies of the videos, key-frame indexes), shared by all
    jobs. Empty: the folder .posefleet/ at the root of the output's bucket, or beside a file:// output."""
