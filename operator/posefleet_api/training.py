"""How training runs: ``spec.training``, ``spec.checkpoint`` and ``spec.predict``."""

from typing import Annotated, Literal

from pydantic import Field

from posefleet_api.base import ApiModel
from posefleet_api.values import OptionalUri, PositiveNumber, RelativePath


class Training(ApiModel):
    """The optimisation. The same manifest, data and number of ranks give the same weights, bit for bit."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = 300
    """Times that every labelled training frame is seen."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 16
    """Labelled frames per rank and step."""
    clip_length: Annotated[int, Field(ge=2, le=256)] = 16
    """Consecutive unlabelled frames per rank and step, when an unsupervised loss is on."""
    learning_rate: Annotated[PositiveNumber, Field(le=10)] = 1e-3
    """Peak learning rate of Adam."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """auto is bf16 on a GPU that computes in it (NVIDIA: Ampere or later), fp32 on others and on a CPU."""
    validate_every_epochs: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Epochs between two measurements of the pixel error on the validation frames."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of the split, the weights and the augmentation."""


class Checkpoint(ApiModel):
    """How often training is saved, and what it starts from."""

    every_minutes: Annotated[PositiveNumber, Field(le=10_080)] = 10.0
    """Minutes between checkpoints: the most work that a crash can cost."""
    keep: Annotated[int, Field(ge=1, le=100)] = 3
    """Checkpoints that stay in the store while the job runs."""
    resume_from: OptionalUri = ""
    """The URI of another job's checkpoint or model to start the weights from. Empty: start anew."""


class Predict(ApiModel):
    """What happens after training."""

    videos: Annotated[list[RelativePath], Field(max_length=64)] = ["videos/*.mp4"]
    """Videos to predict, as patterns inside the project folder."""
    labelled_video: bool = True
    """Whether each predicted video is also written with its keypoints drawn in."""
