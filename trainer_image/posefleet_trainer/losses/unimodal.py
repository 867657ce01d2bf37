"""The unimodal loss on clips: a penalty on heatmaps that have more than one peak."""

import torch
from torch import nn

from posefleet_trainer.losses.heatmap import HeatmapLoss
from posefleet_trainer.losses.poses import ClipPoses


class UnimodalLoss(nn.Module):
    """Squared distance between each heatmap and a single Gaussian at the heatmap's own keypoint.

    The loss is that of ``HeatmapLoss`` with the decoded keypoint in place of the label; it has no unit. The keypoint
    has no gradient, so that the loss sharpens the peak instead of moving it. Heatmaps whose keypoint is only a guess
    (``ClipPoses.certain``) do not count.

    Source: the unimodal loss of Lightning Pose (Biderman et al., Nature Methods 21, 2024; ``unimodal_mse`` in its
    program).
    """

    #: Scale against the heatmap loss on labels, of which this loss is a copy on less reliable targets.
    strength = 0.1

    def __init__(self) -> None:
        super().__init__()
        self._distance = HeatmapLoss()

    def forward(self, poses: ClipPoses) -> torch.Tensor:
        """Compute the loss of one clip, a scalar."""
        own = poses.heatmap_points.detach()
        distance: torch.Tensor = self._distance(poses.heatmaps, own.where(poses.certain.unsqueeze(-1), torch.nan))
        return distance
