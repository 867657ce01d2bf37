"""Clips of poses for the losses to look at."""

import torch

from posefleet_trainer.losses.heatmap import TARGET_SIGMA
from posefleet_trainer.losses.poses import ClipPoses
from posefleet_trainer.models.heatmaps import gaussian_targets


def poses_at(points: torch.Tensor, confidence: float = 0.5) -> ClipPoses:
    """A network that places keypoints at ``points`` (frame, keypoint, xy); all grids have the same pixels."""
    return ClipPoses(
        points=points,
        confidence=torch.full(points.shape[:2], confidence),
        heatmaps=gaussian_targets(points, 32, 32, TARGET_SIGMA),
        heatmap_points=points,
    )
