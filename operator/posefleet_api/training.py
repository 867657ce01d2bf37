"""How training and prediction run: ``spec.training``, ``spec.checkpoint`` and ``spec.predict``."""

from typing import Annotated, Literal

from pydantic import Field

from posefleet_api.base import ApiModel
from posefleet_api.values import OptionalUri, PositiveNumber, RelativePath


class Training(ApiModel):
    """How the network is trained. The same manifest, data and number of ranks give the same weights, bit for bit."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 300
    """Number of times that each labelled training frame is used."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    """Number of labelled frames per rank and step."""
    clip_length: Annotated[int, Field(ge=2, le=256)] = 16
    """Number of consecutive unlabelled frames per rank and step, if an unsupervised loss is on."""
    learning_rate: Annotated[PositiveNumber, Field(le=10)] = 1e-3
    """Peak learning rate of the Adam optimizer."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """Number format of the computation. auto is bf16 on a GPU that supports it in hardware (NVIDIA Ampere or later),
    and fp32 on other GPUs and on a CPU."""
    validate_every_epochs: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Number of epochs between two measurements of the pixel error on the validation frames."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of the split, the initial weights and the augmentation."""


class Checkpoint(ApiModel):
    """How often training is saved, and from which weights it starts."""

    interval_seconds: Annotated[int, Field(ge=0, le=604_800)] = 600
    """Number of seconds between checkpoints. A crash loses at most as much work. With 0 another checkpoint is begun as
    soon as the last one is stored."""
    keep: Annotated[int, Field(ge=1, le=100)] = 3
    """Number of checkpoints that are kept in the store while the job runs."""
    resume_from: OptionalUri = ""
    """URI of another job's checkpoint or model whose weights training starts from. If it is empty, training starts
    from model.weights."""


class Predict(ApiModel):
    """What is predicted after training."""

    videos: Annotated[list[RelativePath], Field(max_length=64)] = ["videos/*.mp4"]
    """Videos to predict, as glob patterns relative to the project folder. In a DeepLabCut project the default stands
    for all recordings in videos/, of any container."""
    labelled_video: bool = True
    """Whether a copy of each predicted video is written with its keypoints drawn in."""
