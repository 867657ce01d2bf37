"""How far poses are from a subspace of plausible ones: what both PCA losses share."""

import torch
from torch import nn

from posefleet_trainer.dataset.pose_subspaces import PoseSubspace
from posefleet_trainer.losses.poses import ClipPoses, length, mean_where


class Reprojection(nn.Module):
    """Distance of keypoints to their projection on ``subspace``, in source pixels (``PoseSubspace.error`` in torch).

    The projection has no gradient: each keypoint moves towards where the others (and itself) say that it is.
    """

    keypoints: torch.Tensor
    mean: torch.Tensor
    components: torch.Tensor

    def __init__(self, subspace: PoseSubspace) -> None:
        super().__init__()
        # Not part of the network's state: they follow from the data.
        self.register_buffer("keypoints", torch.from_numpy(subspace.keypoints), persistent=False)
        self.register_buffer("mean", torch.from_numpy(subspace.mean).float(), persistent=False)
        self.register_buffer("components", torch.from_numpy(subspace.components).float(), persistent=False)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Distances (frame, row, point) of ``points`` (frame, keypoint, xy); rows as in ``subspace.keypoints``."""
        vectors = points[:, self.keypoints]
        offset = vectors.detach().flatten(-2) - self.mean
        plausible = self.mean + offset @ self.components.T @ self.components
        return length(vectors - plausible.unflatten(-1, (-1, 2)))


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
