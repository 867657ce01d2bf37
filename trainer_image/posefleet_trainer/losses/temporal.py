"""Keypoints do not jump."""

import torch
from torch import nn

from posefleet_trainer.losses.poses import ClipPoses, length, mean_where


class TemporalLoss(nn.Module):
    """``mean relu(|k_t - k_(t-1)| - epsilon)`` over keypoints and consecutive frames, in source pixels.

    Where either end is a guess there is no loss. After the temporal difference loss of Biderman et al. (Nature
    Methods 2024).

    Args:
        epsilon_pixels: how far a keypoint may move between two frames of the video at no cost.
    """

    #: Against a heatmap loss of 0.05 (flat maps) to 0.004 (trained): strong enough to pull single keypoints back,
    #: too weak to pull whole poses off their labels.
    strength = 0.0003

    def __init__(self, epsilon_pixels: float) -> None:
        super().__init__()
        self.epsilon_pixels = epsilon_pixels

    def forward(self, poses: ClipPoses) -> torch.Tensor:
        """The loss of one clip."""
        jump = length(poses.points[1:] - poses.points[:-1])
        both = poses.certain[1:] & poses.certain[:-1]
        return mean_where(torch.relu(jump - self.epsilon_pixels), both)
