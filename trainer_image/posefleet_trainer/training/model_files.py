"""The trained model in the output folder: how it gets there, and how it is found again."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from posefleet_api.base import ApiModel
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.output_folder import MODEL_KEY, MODEL_MANIFEST_KEY
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.files import scratch_folder, sha256_of
from posefleet_trainer.telemetry.progress import ProgressTracker


class ModelManifest(ApiModel):
    """Written after the model's file, so that whoever finds it finds a whole model."""

    uri: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the file's bytes."""
    bytes: int
    weights_sha256: str
    """Of the weights alone: equal for trainings that ended the same, bit for bit."""
    steps: int
    fingerprint: str
    """Of the training (``training_fingerprint``)."""


def write_model(output: Store, model: TrainedModel, steps: int, fingerprint: str, directory: Path) -> ModelManifest:
    """Put the model into the output folder: the file, then its manifest."""
    with scratch_folder(directory) as folder:
        path = folder / "model.pt"
        model.save(path)
        manifest = ModelManifest(
            uri=f"{output.uri}{MODEL_KEY}",
            sha256=sha256_of(path),
            bytes=path.stat().st_size,
            weights_sha256=model.sha256,
            steps=steps,
            fingerprint=fingerprint,
        )
        output.upload(path, MODEL_KEY)
    output.write(MODEL_MANIFEST_KEY, manifest.to_json().encode(), "application/json")
    return manifest


def find_model(output: Store, fingerprint: str, progress: ProgressTracker) -> ModelManifest | None:
    """The manifest of the model that this very training has left, if it has ended before."""
    if output.find(MODEL_MANIFEST_KEY) is None:
        return None
    try:
        manifest = ModelManifest.model_validate_json(output.read(MODEL_MANIFEST_KEY))
    except ValidationError:
        progress.warn(f"{output.uri}{MODEL_MANIFEST_KEY} is damaged and is written anew")
        return None
    return manifest if manifest.fingerprint == fingerprint else None


def read_model(output: Store, cache: NodeCache, manifest: ModelManifest) -> TrainedModel:
    """The model that ``manifest`` names, verified.

    Raises:
        InvalidInput: the file is missing or damaged.
    """
    path = cache.fetch(output, MODEL_KEY, manifest.bytes, manifest.sha256)
    try:
        return TrainedModel.load(path)
    except ValueError as error:
        raise InvalidInput(f"{manifest.uri} cannot be used: {error}; delete it, and it is trained anew") from error
    finally:
        cache.release(path)
