"""Several views show one animal."""

import torch
from torch import nn

from posefleet_trainer.dataset.subspace import PoseSubspace
from posefleet_trainer.losses.poses import ClipPoses, mean_where
from posefleet_trainer.losses.subspace import Reprojection


class MultiViewPcaLoss(nn.Module):
    """``mean relu(|k - reprojection of k| - epsilon)`` on body parts across views, in source pixels.

    A point in space has three coordinates, so under (nearly) affine cameras its pictures in all views lie in a
    three-dimensional subspace. After the multi-view PCA loss of Biderman et al. (Nature Methods 2024); epsilon is
    the 99th percentile of the labels' own distance. Each keypoint is pulled in proportion to the network's doubt of
    it, so that the view that sees a body part well leads the one that does not. Body parts that are a mere guess in
    some view bring no loss: nothing can be told from their reprojection.

    Args:
        subspace: of rows that hold one body part in every view.
    """

    #: Against a heatmap loss of 0.05 (flat maps) to 0.004 (trained): strong enough to pull single keypoints back,
    #: too weak to pull whole poses off their labels.
    strength = 0.003

    def __init__(self, subspace: PoseSubspace) -> None:
        super().__init__()
        self.reprojection = Reprojection(subspace)
        self.epsilon_pixels = subspace.epsilon_pixels

    def forward(self, poses: ClipPoses) -> torch.Tensor:
        """The loss of one clip."""
        distance = self.reprojection(poses.points)
        seen = poses.certain[:, self.reprojection.keypoints].all(dim=-1, keepdim=True)
        excess = torch.relu(distance - self.epsilon_pixels) * poses.doubt[:, self.reprojection.keypoints]
        return mean_where(excess, seen.expand_as(distance))
