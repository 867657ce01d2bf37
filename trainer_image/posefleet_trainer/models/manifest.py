"""The version of the network, and the manifest of a trained model. This module does not load torch."""

from typing import Annotated

from pydantic import Field

from posefleet_api.base import ApiModel

#: Version of the network's code, which is part of what weights fit. It is raised with every change of the names, the
#: shapes or the meaning of the weights, including one that an update of timm makes.
NETWORK_VERSION = 1


def other_version(uri: str, version: int) -> str:
    """Return the sentence about a file whose weights are for another version of the network."""
    return (
        f"{uri} was written by an image whose network has version {version}, and the network of this image has "
        f"version {NETWORK_VERSION}: use the former image, or apply the job under another name with another "
        "output.uri to train from the start"
    )


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
    network_version: int
    """``NETWORK_VERSION`` of the image that wrote it."""
