"""The supervised loss on labelled frames: predicted heatmaps against Gaussians at the labels."""

import torch
from torch import nn

from posefleet_trainer.models.heatmaps import gaussian_targets

#: Standard deviation of the targets in heatmap pixels (Lightning Pose's default; Biderman et al. 2024, Methods).
TARGET_SIGMA = 1.25


class HeatmapLoss(nn.Module):
    """Squared distance between predicted heatmaps and target heatmaps.

    For each labelled keypoint the loss is ``h w mean((y' - y)^2)``, where y' is the predicted heatmap of h x w pixels
    and y a Gaussian at the label, both summing to one; it is averaged over the labelled keypoints of the batch. The
    factor h w turns the mean over pixels into a sum, so that the loss does not shrink as images grow. Keypoints
    without a label, or that the augmentation moved out of the image, do not count. The loss has no unit.

    Source: the heatmap loss of Biderman et al., "Lightning Pose", Nature Methods 21 (2024), Methods, there as the mean
    over pixels. Cross-entropy trained worse here (docs/design/training.md).
    """

    def forward(self, heatmaps: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Compute the loss, a scalar.

        Args:
            heatmaps: (frame, keypoint, h, w), each map summing to one.
            points: (frame, keypoint, xy) in heatmap pixels; NaN where there is no label.
        """
        height, width = heatmaps.shape[-2:]
        targets = gaussian_targets(points, height, width, TARGET_SIGMA)
        labelled = points.isfinite().all(dim=-1)
        squared = (heatmaps - targets).square().sum(dim=(-2, -1))
        return torch.where(labelled, squared, 0.0).sum() / labelled.sum().clamp_min(1)
