"""The pixel error on the validation frames, shared out over the ranks."""

from collections.abc import Sequence

import numpy as np
import torch

from posefleet_trainer.gang.collectives import total
from posefleet_trainer.loading.labelled import FrameStore
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.models.heatmaps import decode, heatmaps_of
from posefleet_trainer.models.network import PoseNetwork, normalised

_FRAMES_AT_ONCE = 16


def validation_pixel_error(
    network: PoseNetwork, store: FrameStore, rank: int, world: int, device: torch.device
) -> float | None:
    """Mean Euclidean distance between predictions and labels in source pixels; None without labels.

    Every rank measures its part of the frames and returns the same number.
    """
    mine = range(rank, len(store.frames), world)
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        parts = [mine[start : start + _FRAMES_AT_ONCE] for start in range(0, len(mine), _FRAMES_AT_ONCE)]
        distances = [_distances(network, store, part, device) for part in parts]
    network.train(was_training)
    known = np.concatenate([np.zeros(0), *distances])
    distance, count = total([float(known.sum()), float(known.size)])
    return distance / count if count else None


def _distances(network: PoseNetwork, store: FrameStore, frames: Sequence[int], device: torch.device) -> np.ndarray:
    """The distance of every labelled keypoint of ``frames``, in source pixels."""
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
