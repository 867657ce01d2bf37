"""The temporal loss on clips: a penalty on keypoints that jump between consecutive frames."""

import torch
from torch import nn

from posefleet_trainer.losses.poses import ClipPoses, length, mean_where


class TemporalLoss(nn.Module):
    """Penalty on the distance that a keypoint moves between consecutive frames beyond a free distance.

    The loss is ``mean relu(|k_t - k_(t-1)| - epsilon)`` over keypoints and pairs of consecutive frames, in pixels of
    the source video, with k_t the keypoint in frame t. Pairs in which the network only guesses either position
    (``ClipPoses.certain``) do not count.

    Source: the temporal difference loss of Biderman et al., "Lightning Pose", Nature Methods 21 (2024), Methods.

    Args:
        epsilon_pixels: distance between two frames of the video that costs nothing (``losses.temporal``).
    """

    #: Scale against a heatmap loss that falls from 0.05 (flat maps) to 0.004 (trained): strong enough to pull single
    #: keypoints back, too weak to pull whole poses off their labels.
    strength = 0.0003

    def __init__(self, epsilon_pixels: float) -> None:
        super().__init__()
        self.epsilon_pixels = epsilon_pixels

    def forward(self, poses: ClipPoses) -> torch.Tensor:
        """Compute the loss of one clip, a scalar in source pixels."""
        jump = length(poses.points[1:] - poses.points[:-1])
        both = poses.certain[1:] & poses.certain[:-1]
        return mean_where(torch.relu(jump - self.epsilon_pixels), both)
