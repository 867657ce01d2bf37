"""Where training goes on from: the newest whole checkpoint of this training."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.output_folder import CHECKPOINTS_FOLDER, LATEST_CHECKPOINT_KEY
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.training.checkpoints import CheckpointManifest, step_of_manifest
from posefleet_trainer.training.history import History
from posefleet_trainer.training.module import PoseModule

FORMAT = "posefleet-checkpoint-1"


@dataclass(frozen=True)
class TrainingState:
    """All that a training is, between two steps."""

    samples: int
    """Labelled samples that all ranks have seen."""
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    history: dict[str, Any]

    def content(self) -> dict[str, Any]:
        """As a checkpoint's file has it: plain data and tensors."""
        return {"format": FORMAT, **vars(self)}


def read_checkpoint(path: Path) -> TrainingState:
    """Read a checkpoint's file; nothing in it is executed.

    Raises:
        ValueError: not a checkpoint of this version.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError) as error:
        raise ValueError(f"it cannot be read: {error}") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ValueError("it is not a checkpoint of this version of posefleet")
    return TrainingState(**content)


def newest_checkpoint(
    output: Store, cache: NodeCache, fingerprint: str, progress: ProgressTracker
) -> CheckpointManifest | None:
    """The newest checkpoint of this training that is whole; damaged ones are passed over with a warning.

    Raises:
        StoreUnreachable: the store did not answer.
    """
    foreign = False
    for manifest in _candidates(output, progress):
        if manifest.fingerprint != fingerprint:
            foreign = True
            continue
        try:
            fetch_checkpoint(output, cache, manifest)
        except (InvalidInput, ValueError) as error:
            progress.warn(f"{manifest.uri} is damaged and is passed over for the checkpoint before it: {error}")
            continue
        return manifest
    if foreign:
        progress.warn(
            f"the checkpoints in {output.uri}{CHECKPOINTS_FOLDER} were written for other data or another manifest; "
            "training starts anew and replaces them"
        )
    return None


def fetch_checkpoint(output: Store, cache: NodeCache, manifest: CheckpointManifest) -> TrainingState:
    """The state in the checkpoint that ``manifest`` names, verified.

    Raises:
        InvalidInput: its bytes are not those that were written.
        ValueError: it is not a checkpoint of this version.
    """
    path = cache.fetch(output, manifest.key, manifest.bytes, manifest.sha256)
    try:
        return read_checkpoint(path)
    finally:
        cache.release(path)


def _candidates(output: Store, progress: ProgressTracker) -> list[CheckpointManifest]:
    """Every manifest in the store, the newest first."""
    keys = [stored.key for stored in output.list(CHECKPOINTS_FOLDER)]
    found: dict[str, CheckpointManifest] = {}
    for key in keys:
        if key != LATEST_CHECKPOINT_KEY and step_of_manifest(key) is None:
            continue
        try:
            manifest = CheckpointManifest.model_validate_json(output.read(key))
        except ValidationError:
            progress.warn(f"{output.uri}{key} is damaged and is passed over")
            continue
        found.setdefault(manifest.key, manifest)
    return sorted(found.values(), key=lambda manifest: manifest.step, reverse=True)


def snapshot(module: PoseModule, history: History, samples: int) -> TrainingState:
    """The state after ``samples`` labelled samples of all ranks."""
    optimizer = module.optimizers()
    assert isinstance(optimizer, torch.optim.Optimizer)
    return TrainingState(
        samples=samples,
        weights=_copied(module.objective.network.state_dict()),
        optimizer=_copied(optimizer.state_dict()),
        history=history.state(),
    )


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(entry) for entry in value]
    return value
