"""The PCA losses on clips: a penalty on poses that the labelled poses do not span, in one view and across views.

Both measure how far keypoints are from their reprojection on a subspace that was fitted to the labels
(``dataset/pose_subspaces.py``), and both pull a keypoint in proportion to the network's doubt of it. Pulled alike,
keypoints that are right are drawn towards those that are wrong.
"""

import torch
from torch import nn

from posefleet_trainer.dataset.pose_subspaces import PoseSubspace
from posefleet_trainer.losses.poses import ClipPoses, length, mean_where


class SingleViewPcaLoss(nn.Module):
    """Penalty on implausible poses in one view.

    The loss is ``mean relu(|k - r(k)| - epsilon) (1 - c)`` over frames and keypoints, in pixels of the source video:
    r(k) is the keypoint's reprojection on the subspace of labelled poses, c the network's confidence in it, and
    epsilon the 99th percentile of the labels' own distance. Neither r(k) nor c has a gradient. Keypoints that are
    only a guess (``ClipPoses.certain``) do not count.

    Source: the pose PCA loss of Biderman et al., "Lightning Pose", Nature Methods 21 (2024), Methods. The factor
    (1 - c) is an addition.

    Args:
        subspace: subspace of whole poses, one row with all keypoints that count.
    """

    #: Scale against a heatmap loss that falls from 0.05 (flat maps) to 0.004 (trained): strong enough to pull single
    #: keypoints back, too weak to pull whole poses off their labels.
    strength = 0.001

    def __init__(self, subspace: PoseSubspace) -> None:
        super().__init__()
        self.reprojection = Reprojection(subspace)
        self.epsilon_pixels = subspace.epsilon_pixels

    def forward(self, poses: ClipPoses) -> torch.Tensor:
        """Compute the loss of one clip, a scalar in source pixels."""
        distance = self.reprojection(poses.points)
        excess = torch.relu(distance - self.epsilon_pixels) * poses.doubt[:, self.reprojection.keypoints]
        return mean_where(excess, poses.certain[:, self.reprojection.keypoints])


class MultiViewPcaLoss(nn.Module):
    """Penalty on body parts whose keypoints in several views cannot show the same point in space.

    The loss is ``mean relu(|k - r(k)| - epsilon) (1 - c)`` over frames, body parts and views, in pixels of the source
    video, with r, c and epsilon as in ``SingleViewPcaLoss``. A point in space has three coordinates, so under (nearly)
    affine cameras its images in all views lie in a three-dimensional subspace. Because of the factor (1 - c) the view
    that sees a body part well leads the view that does not. A body part that is only a guess in some view
    (``ClipPoses.certain``) does not count at all: its reprojection says nothing about the other views either.

    Source: the multi-view PCA loss of Biderman et al., "Lightning Pose", Nature Methods 21 (2024), Methods. The factor
    (1 - c) is an addition.

    Args:
        subspace: subspace of body parts, one row per body part with its keypoint in every view.
    """

    #: Scale against a heatmap loss that falls from 0.05 (flat maps) to 0.004 (trained): strong enough to pull single
    #: keypoints back, too weak to pull whole poses off their labels.
    strength = 0.003

    def __init__(self, subspace: PoseSubspace) -> None:
        super().__init__()
        self.reprojection = Reprojection(subspace)
        self.epsilon_pixels = subspace.epsilon_pixels

    def forward(self, poses: ClipPoses) -> torch.Tensor:
        """Compute the loss of one clip, a scalar in source pixels."""
        distance = self.reprojection(poses.points)
        seen = poses.certain[:, self.reprojection.keypoints].all(dim=-1, keepdim=True)
        excess = torch.relu(distance - self.epsilon_pixels) * poses.doubt[:, self.reprojection.keypoints]
        return mean_where(excess, seen.expand_as(distance))


class Reprojection(nn.Module):
    """Distance between keypoints and their projection on ``subspace``, in source pixels.

    It computes ``PoseSubspace.error`` in torch. The projection has no gradient: each keypoint moves towards the place
    that all keypoints of its row together predict for it, and that place stands still.
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
        """Compute distances (frame, row, point) of ``points`` (frame, keypoint, xy); rows as ``subspace.keypoints``."""
        vectors = points[:, self.keypoints]
        offset = vectors.detach().flatten(-2) - self.mean
        plausible = self.mean + offset @ self.components.T @ self.components
        return length(vectors - plausible.unflatten(-1, (-1, 2)))
