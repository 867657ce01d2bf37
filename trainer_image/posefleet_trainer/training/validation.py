"""Validation: the pixel error of the network on the validation frames, which the ranks measure together."""

from collections.abc import Sequence

import numpy as np
import torch

from posefleet_trainer.gang.collectives import total
from posefleet_trainer.loading.labelled import FrameStore
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.models.heatmaps import decode, heatmaps_of
from posefleet_trainer.models.network import PoseNetwork, normalised

#: Frames that the network reads at once.
_BATCH_SIZE = 16


def validation_pixel_error(
    network: PoseNetwork, store: FrameStore, rank: int, world: int, device: torch.device
) -> float | None:
    """Return the mean Euclidean distance of predictions from labels in source pixels; None if there are no labels.

    All ranks call it together. Each one measures every ``world``-th frame, and all return the same number.

    Args:
        network: the network, which is left in the mode (training or evaluation) in which it was passed.
        store: the validation frames and their labels.
        rank: number of this rank.
        world: number of ranks.
        device: the network's device.
    """
    mine = range(rank, len(store.frames), world)
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        batches = [mine[start : start + _BATCH_SIZE] for start in range(0, len(mine), _BATCH_SIZE)]
        distances = [_distances(network, store, batch, device) for batch in batches]
    network.train(was_training)
    known = np.concatenate([np.zeros(0), *distances])
    distance, count = total([float(known.sum()), float(known.size)])
    return distance / count if count else None


def _distances(network: PoseNetwork, store: FrameStore, frames: Sequence[int], device: torch.device) -> np.ndarray:
    """Return the distance in source pixels of every labelled keypoint in the frames numbered ``frames``."""
    pictures = torch.from_numpy(np.stack([store.picture(frame) for frame in frames])).to(device)
    points, _ = decode(heatmaps_of(network(normalised(pictures))))
    predicted = between(points, store.image.heatmap, store.image).cpu().numpy()
    errors = []
    for frame, image_points in zip(frames, predicted, strict=True):
        source = Grid(store.frames[frame].height, store.frames[frame].width)
        offset = between(image_points, store.image, source) - store.labels(frame)
        errors.append(np.linalg.norm(offset, axis=-1))
    distances = np.concatenate(errors)
    known: np.ndarray = distances[np.isfinite(distances)]
    return known
