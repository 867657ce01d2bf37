"""What a training starts from: an earlier attempt's checkpoint, given weights, or random numbers."""

from dataclasses import dataclass
from pathlib import Path

import torch

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.gang.collectives import from_first, wait_for_all
from posefleet_trainer.models.backbones import file_weights, hub_weights
from posefleet_trainer.models.network import PoseNetwork
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.open import open_file
from posefleet_trainer.training.checkpoints import CheckpointManifest
from posefleet_trainer.training.data import image_size
from posefleet_trainer.training.resume import TrainingState, fetch_checkpoint, newest_checkpoint

#: How long a weights file outside the output folder is waited for.
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Start:
    """A network at the first step of this attempt, and the state that it has if it was trained before."""

    network: PoseNetwork
    state: TrainingState | None


def find_start(context: Context, prepared: Prepared, cache: NodeCache, fingerprint: str) -> Start:
    """The same start on all ranks.

    Raises:
        InvalidInput: the weights that the manifest names cannot be had.
        StoreUnreachable: the store did not answer.
    """
    manifest = _agreed_checkpoint(context, cache, fingerprint)
    state = fetch_checkpoint(context.output, cache, manifest) if manifest else None
    spec = context.job.spec
    torch.manual_seed(spec.training.seed)
    weights = None if state or spec.checkpoint.resume_from else _backbone_weights(context, cache)
    try:
        network = PoseNetwork(spec.model.backbone, image_size(spec), len(prepared.keypoints), weights)
    except RuntimeError as error:
        raise InvalidInput(
            f"model.weights: {spec.model.weights} does not fit {spec.model.backbone}: {error}"
        ) from error
    if state:
        network.load_state_dict(state.weights)
    elif spec.checkpoint.resume_from:
        _load_given(context, cache, network)
    return Start(network, state)


def _agreed_checkpoint(context: Context, cache: NodeCache, fingerprint: str) -> CheckpointManifest | None:
    """What rank 0 finds: the ranks must not choose differently when the store changes meanwhile."""
    found = None
    if context.rank.index == 0:
        found = newest_checkpoint(context.output, cache, fingerprint, context.progress)
    agreed: CheckpointManifest | None = from_first(found)
    return agreed


def _backbone_weights(context: Context, cache: NodeCache) -> dict[str, torch.Tensor] | None:
    model = context.job.spec.model
    if model.weights == "none":
        return None
    if model.weights == "imagenet":
        directory = context.cache_directory / "hub"
        # One rank of a node downloads; the others find what it left.
        if context.rank.local_index != 0:
            wait_for_all()
        weights = hub_weights(model.backbone, directory)
        if context.rank.local_index == 0:
            wait_for_all()
        return weights
    return file_weights(_fetched(context, cache, model.weights, "model.weights"), model.weights)


def _load_given(context: Context, cache: NodeCache, network: PoseNetwork) -> None:
    """The weights of ``checkpoint.resumeFrom``: another job's checkpoint or model."""
    uri = context.job.spec.checkpoint.resume_from
    path = _fetched(context, cache, uri, "checkpoint.resumeFrom")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(content["weights"])
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(
            f"checkpoint.resumeFrom: {uri} cannot be used: {reason}; name a checkpoint or model.pt of a job with the "
            "same model and keypoints"
        ) from error


def _fetched(context: Context, cache: NodeCache, uri: str, where: str) -> Path:
    store, key = open_file(uri, context.job.spec.storage, patience_seconds=_PATIENCE_SECONDS)
    found = store.find(key)
    if found is None:
        raise InvalidInput(f"{where}: {uri} does not exist; upload it or correct the URI")
    return cache.fetch(store, key, found.size_bytes, found.etag)
