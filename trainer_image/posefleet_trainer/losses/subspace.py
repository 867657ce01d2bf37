"""How far poses are from a subspace of plausible ones: what both PCA losses share."""

import torch
from torch import nn

from posefleet_trainer.dataset.subspace import PoseSubspace
from posefleet_trainer.losses.poses import length


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
