"""Poses look like the labelled poses."""

import torch
from torch import nn

from posefleet_trainer.dataset.subspace import PoseSubspace
from posefleet_trainer.losses.poses import ClipPoses, mean_where
from posefleet_trainer.losses.subspace import Reprojection


class SingleViewPcaLoss(nn.Module):
    """``mean relu(|k - reprojection of k| - epsilon)`` on the subspace of the labelled poses, in source pixels.

    After the pose PCA loss of Biderman et al. (Nature Methods 2024). Fit and loss are in one space, the source
    frame's pixels; epsilon is the 99th percentile of the labels' own distance. Each keypoint is pulled in proportion
    to the network's doubt of it, towards a reprojection that stands still: where some keypoints are wrong, those that
    are right must not come to meet them. Keypoints that are mere guesses are not pulled.

    Args:
        subspace: of whole poses.
    """

    #: Against a heatmap loss of 0.05 (flat maps) to 0.004 (trained): strong enough to pull single keypoints back,
    #: too weak to pull whole poses off their labels.
    strength = 0.001

    def __init__(self, subspace: PoseSubspace) -> None:
        super().__init__()
        self.reprojection = Reprojection(subspace)
        self.epsilon_pixels = subspace.epsilon_pixels

    def forward(self, poses: ClipPoses) -> torch.Tensor:
        """The loss of one clip."""
        distance = self.reprojection(poses.points)
        excess = torch.relu(distance - self.epsilon_pixels) * poses.doubt[:, self.reprojection.keypoints]
        return mean_where(excess, poses.certain[:, self.reprojection.keypoints])
