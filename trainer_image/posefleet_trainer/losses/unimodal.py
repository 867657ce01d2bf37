"""A keypoint is at one place."""

import torch
from torch import nn

from posefleet_trainer.losses.heatmap import HeatmapLoss
from posefleet_trainer.losses.poses import ClipPoses


class UnimodalLoss(nn.Module):
    """The heatmap loss of each map against a Gaussian at the map's own keypoint.

    The keypoint is held fixed (no gradient), so that the loss sharpens the peak instead of moving it. A map that the
    network is unsure of is left alone. After the unimodality loss of Lightning Pose.
    """

    strength = 0.1

    def __init__(self) -> None:
        super().__init__()
        self._distance = HeatmapLoss()

    def forward(self, poses: ClipPoses) -> torch.Tensor:
        """The loss of one clip."""
        own = poses.heatmap_points.detach()
        distance: torch.Tensor = self._distance(poses.heatmaps, own.where(poses.certain.unsqueeze(-1), torch.nan))
        return distance
