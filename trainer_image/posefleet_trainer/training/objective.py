"""The losses of one batch."""

from collections.abc import Mapping

import torch
from torch import nn

from posefleet_trainer.loading.batches import ClipBatch, TrainingBatch
from posefleet_trainer.losses.annealing import annealed
from posefleet_trainer.losses.build import WeightedLoss
from posefleet_trainer.losses.heatmap import HeatmapLoss
from posefleet_trainer.losses.poses import ClipPoses
from posefleet_trainer.models.coordinates import Grid, between, rescale
from posefleet_trainer.models.decoding import decode, heatmaps_of
from posefleet_trainer.models.network import PoseNetwork

SUPERVISED = "heatmap"


class Objective(nn.Module):
    """The network and its losses: from a batch to weighted terms whose sum is minimised.

    Args:
        network: the network.
        image: the size of the images.
        unsupervised: the losses on clips by their name in the manifest.
    """

    def __init__(self, network: PoseNetwork, image: Grid, unsupervised: Mapping[str, WeightedLoss]) -> None:
        super().__init__()
        self.network = network
        self._image = image
        self._supervised = HeatmapLoss()
        self._unsupervised = nn.ModuleDict({name: weighted.loss for name, weighted in unsupervised.items()})
        self._weights = {name: weighted.weight for name, weighted in unsupervised.items()}

    def forward(self, batch: TrainingBatch, share_done: float) -> dict[str, torch.Tensor]:
        """The weighted terms of ``batch``, scalars in float32; those on clips are annealed by ``share_done``."""
        images = [batch.frames.images] + ([batch.clip.images] if batch.clip else [])
        logits = self.network(torch.cat(images).contiguous(memory_format=torch.channels_last))
        with torch.autocast(logits.device.type, enabled=False):
            heatmaps = heatmaps_of(logits)
            labelled, unlabelled = heatmaps.split([len(batch.frames.points), len(heatmaps) - len(batch.frames.points)])
            targets = between(batch.frames.points, self._image, self._image.heatmap)
            terms = {SUPERVISED: self._supervised(labelled, targets)}
            if batch.clip is not None:
                poses = self._poses(unlabelled, batch.clip)
                for name, loss in self._unsupervised.items():
                    terms[name] = self._weights[name] * annealed(share_done) * loss(poses)
        return terms

    def _poses(self, heatmaps: torch.Tensor, clip: ClipBatch) -> ClipPoses:
        """Keypoints where the source video has them: the augmentation's geometry is undone."""
        heatmap_points, confidence = decode(heatmaps)
        augmented = between(heatmap_points, self._image.heatmap, self._image)
        image_points = augmented @ clip.undo[:, :2].T + clip.undo[:, 2]
        return ClipPoses(rescale(image_points, clip.source_ratio), confidence, heatmaps, heatmap_points)
