"""The manifest of a trained model. This module does not load torch."""

from typing import Annotated

from pydantic import Field

from posefleet_api.base import ApiModel


class ModelManifest(ApiModel):
    """Describes a model whose file is complete in the store."""

    uri: str
    """Where the model's file is."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the file."""
    bytes: int
    """Size of the file."""
    weights_sha256: str
    """SHA-256 of the weights alone, which is equal for trainings whose weights are equal bit for bit."""
    steps: int
    """Optimizer steps of the training."""
    fingerprint: str
    """``training_fingerprint`` of the training."""
