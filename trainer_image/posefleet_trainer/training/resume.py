"""The state of a training: what a checkpoint contains, and how it is captured, read and found in the store."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.models.manifest import NETWORK_VERSION, other_version
from posefleet_trainer.output_folder import CHECKPOINTS_FOLDER
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.training.checkpoint_files import CheckpointManifest, CheckpointName
from posefleet_trainer.training.history import History
from posefleet_trainer.training.module import PoseModule

#: Name and version of the layout of a checkpoint's file.
FORMAT = "posefleet-checkpoint-1"


@dataclass(frozen=True)
class TrainingState:
    """The state of a training between two steps, which is all that a later attempt needs to continue it."""

    samples: int
    """Labelled samples that all ranks together have trained on."""
    weights: dict[str, torch.Tensor]
    """``state_dict`` of the network."""
    optimizer: dict[str, Any]
    """``state_dict`` of the optimizer."""
    history: dict[str, Any]
    """``History.state``."""

    def content(self) -> dict[str, Any]:
        """Return the content of a checkpoint's file, which consists of plain data and tensors."""
        return {"format": FORMAT, "network_version": NETWORK_VERSION, **vars(self)}


def snapshot(module: PoseModule, history: History, samples: int) -> TrainingState:
    """Copy the state of a training after ``samples`` labelled samples of all ranks to the memory of the CPU."""
    optimizer = module.optimizers()
    assert isinstance(optimizer, torch.optim.Optimizer)
    return TrainingState(
        samples=samples,
        weights=_copied(module.objective.network.state_dict()),
        optimizer=_copied(optimizer.state_dict()),
        history=history.state(),
    )


def read_checkpoint(path: Path) -> TrainingState:
    """Read a checkpoint's file, without executing anything in it.

    Raises:
        ValueError: the file is damaged, or is not a checkpoint of this version.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ValueError("it is not a checkpoint of this version of posefleet")
    content.pop("network_version", None)
    return TrainingState(**content)


def newest_checkpoint(
    output: Store, cache: NodeCache, fingerprint: str, progress: ProgressTracker
) -> CheckpointManifest | None:
    """Return the manifest of the newest intact checkpoint of a training; None if there is none.

    Damaged checkpoints, and those of another training, are skipped with a warning.

    Args:
        output: the store of the output folder.
        cache: files on this node, into which checkpoints are downloaded to verify them.
        fingerprint: ``training_fingerprint`` of the training.
        progress: publishes the warnings.

    Raises:
        InvalidInput: the newest checkpoint of the training is for another version of the network.
        StoreUnreachable: the store did not answer.
    """
    has_others = False
    for manifest in _manifests(output, progress):
        if manifest.fingerprint != fingerprint:
            has_others = True
            continue
        if manifest.network_version != NETWORK_VERSION:
            raise InvalidInput(other_version(manifest.uri, manifest.network_version))
        try:
            fetch_checkpoint(output, cache, manifest)
        except (InvalidInput, ValueError) as error:
            progress.warn(f"{manifest.uri} is damaged, so the checkpoint before it is used: {error}")
            continue
        return manifest
    if has_others:
        progress.warn(
            f"the checkpoints in {output.uri}{CHECKPOINTS_FOLDER} were written for other data or another manifest; "
            "training starts from the beginning and replaces them"
        )
    return None


def fetch_checkpoint(output: Store, cache: NodeCache, manifest: CheckpointManifest) -> TrainingState:
    """Download the checkpoint that ``manifest`` describes, verify its checksum and return its state.

    Raises:
        InvalidInput: the file is missing, or its bytes are not those that were written.
        ValueError: the file is not a checkpoint of this version.
        StoreUnreachable: the store did not answer.
    """
    path = cache.fetch(output, manifest.key, manifest.bytes, manifest.sha256)
    try:
        return read_checkpoint(path)
    finally:
        cache.release(path)


def _manifests(output: Store, progress: ProgressTracker) -> list[CheckpointManifest]:
    """Read the manifests of all checkpoints in the store, the newest first; damaged ones are skipped with a warning."""
    keys = {stored.key for stored in output.list(CHECKPOINTS_FOLDER)}
    names = {name for name in map(CheckpointName.parse, keys) if name and name.manifest_key in keys}
    manifests = []
    for name in sorted(names, reverse=True):
        try:
            manifests.append(CheckpointManifest.model_validate_json(output.read(name.manifest_key)))
        except ValidationError:
            progress.warn(f"{output.uri}{name.manifest_key} is damaged and is ignored")
    return manifests


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(entry) for entry in value]
    return value
