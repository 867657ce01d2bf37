"""The trained model in the output folder: writing its file and its manifest, finding and reading it.

The manifest is written after the model's file is complete, so that a model with a manifest is complete.
"""

from pathlib import Path

from pydantic import ValidationError

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.models.manifest import NETWORK_VERSION, ModelManifest, other_version
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.output_folder import MODEL_KEY, MODEL_MANIFEST_KEY
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.files import scratch_folder, sha256_of
from posefleet_trainer.telemetry.progress import ProgressTracker


def write_model(output: Store, model: TrainedModel, steps: int, fingerprint: str, directory: Path) -> ModelManifest:
    """Upload the model's file to the output folder, then its manifest, and return the manifest.

    Args:
        output: the store of the output folder.
        model: the trained model.
        steps: optimizer steps of the training.
        fingerprint: ``training_fingerprint`` of the training.
        directory: local directory for the file until it is uploaded.

    Raises:
        StoreUnreachable: the store did not answer.
    """
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
            network_version=NETWORK_VERSION,
        )
        output.upload(path, MODEL_KEY)
    output.write(MODEL_MANIFEST_KEY, manifest.to_json().encode(), "application/json")
    return manifest


def find_model(output: Store, fingerprint: str, progress: ProgressTracker) -> ModelManifest | None:
    """Return the manifest of the model that an earlier attempt of the same training has written; None if there is none.

    A damaged manifest is skipped with a warning.

    Raises:
        InvalidInput: the model is for another version of the network.
    """
    if output.find(MODEL_MANIFEST_KEY) is None:
        return None
    try:
        manifest = ModelManifest.model_validate_json(output.read(MODEL_MANIFEST_KEY))
    except ValidationError:
        progress.warn(f"{output.uri}{MODEL_MANIFEST_KEY} is damaged and will be replaced")
        return None
    if manifest.fingerprint != fingerprint:
        return None
    if manifest.network_version != NETWORK_VERSION:
        raise InvalidInput(other_version(manifest.uri, manifest.network_version))
    return manifest


def read_model(output: Store, cache: NodeCache, manifest: ModelManifest) -> TrainedModel:
    """Download the model that ``manifest`` describes, verify its checksum and return it.

    Raises:
        InvalidInput: the file is missing or damaged.
    """
    with cache.using(output, MODEL_KEY, manifest.bytes, manifest.sha256) as path:
        try:
            return TrainedModel.load(path)
        except ValueError as error:
            raise InvalidInput(f"{manifest.uri} cannot be used: {error}; delete it to train the model again") from error
