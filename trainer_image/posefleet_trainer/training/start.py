"""The start of a training: an earlier attempt's checkpoint, weights that the manifest names, or random numbers."""

from pathlib import Path

import torch

from posefleet_api.job import Spec
from posefleet_trainer.context import Rank
from posefleet_trainer.gang.collectives import from_first, wait_for_all
from posefleet_trainer.models.coordinates import image_grid
from posefleet_trainer.models.hub import hub_weights
from posefleet_trainer.models.network import PoseNetwork
from posefleet_trainer.models.weights import file_weights, load_given
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.open import fetch_file
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.training.resume import TrainingState, fetch_checkpoint, newest_checkpoint

#: How long requests for weights outside the output folder are repeated while their store or hub does not answer.
_PATIENCE_SECONDS = 120.0


def find_state(
    output: Store, cache: NodeCache, fingerprint: str, rank: Rank, progress: ProgressTracker
) -> TrainingState | None:
    """Return the state in the newest checkpoint of this training; None if there is none.

    Rank 0 chooses the checkpoint for all ranks, which could choose differently if the store changed meanwhile.

    Raises:
        StoreUnreachable: the store did not answer.
    """
    found = newest_checkpoint(output, cache, fingerprint, progress) if rank.index == 0 else None
    manifest = from_first(found)
    if manifest is None:
        return None
    progress.saved(manifest.in_status())
    return fetch_checkpoint(output, cache, manifest)


def starting_network(
    spec: Spec, keypoints: int, state: TrainingState | None, cache: NodeCache, hub_directory: Path, rank: Rank
) -> PoseNetwork:
    """Return the network as it is before the first step of this attempt, the same on all ranks.

    Args:
        spec: the manifest.
        keypoints: number of heatmaps.
        state: what an earlier attempt has left; its weights are used if there is one.
        cache: of this node, for files that the manifest names.
        hub_directory: keeps what is downloaded from the public hub.
        rank: of this process.

    Raises:
        InvalidInput: the weights that the manifest names cannot be read or do not fit.
        StoreUnreachable: the store of a weights file, or the public hub, did not answer.
    """
    resume_from = spec.checkpoint.resume_from
    weights = None if state or resume_from else _backbone_weights(spec, cache, hub_directory, rank)
    # However often the download of weights is repeated, the head starts from the same random numbers.
    torch.manual_seed(spec.training.seed)
    network = PoseNetwork(spec.model.backbone, image_grid(spec.model), keypoints, weights)
    if state:
        network.load_state_dict(state.weights)
    elif resume_from:
        where = "checkpoint.resumeFrom"
        path = fetch_file(resume_from, spec.storage, where, cache, patience_seconds=_PATIENCE_SECONDS)
        load_given(path, resume_from, network)
    return network


def _backbone_weights(spec: Spec, cache: NodeCache, hub_directory: Path, rank: Rank) -> dict[str, torch.Tensor] | None:
    """Return the weights of ``model.weights``; None for ``none``."""
    model = spec.model
    if model.weights == "none":
        return None
    if model.weights == "imagenet":
        # One rank of a node downloads; the others find its file.
        if rank.local_index != 0:
            wait_for_all()
        weights = hub_weights(model.backbone, hub_directory, _PATIENCE_SECONDS)
        if rank.local_index == 0:
            wait_for_all()
        return weights
    path = fetch_file(model.weights, spec.storage, "model.weights", cache, patience_seconds=_PATIENCE_SECONDS)
    return file_weights(path, model.weights, model.backbone, image_grid(model))
