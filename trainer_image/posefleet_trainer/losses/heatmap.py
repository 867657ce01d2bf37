"""The supervised loss: predicted heatmaps against Gaussians at the labels."""

import torch
from torch import nn

from posefleet_trainer.models.heatmaps import gaussian_targets

#: Spread of the targets in heatmap pixels (Lightning Pose's default; Biderman et al., Nature Methods 2024).
TARGET_SIGMA = 1.25


class HeatmapLoss(nn.Module):
    """Squared distance of heatmaps that sum to one: ``h w mean((y' - y)^2)`` over the labelled keypoints.

    The factor h w makes it the sum over a map, so that it does not shrink as images grow. Keypoints without a label,
    or outside the image after augmentation, count for nothing.
    """

    def forward(self, heatmaps: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """The loss of ``heatmaps`` (frame, keypoint, h, w) for ``points`` (frame, keypoint, xy; NaN: no label)."""
        height, width = heatmaps.shape[-2:]
        targets = gaussian_targets(points, height, width, TARGET_SIGMA)
        labelled = points.isfinite().all(dim=-1)
        squared = (heatmaps - targets).square().sum(dim=(-2, -1))
        return torch.where(labelled, squared, 0.0).sum() / labelled.sum().clamp_min(1)
