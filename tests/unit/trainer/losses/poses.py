"""Clips of poses for the losses to look at."""

import torch

from posefleet_trainer.losses.heatmap import TARGET_SIGMA
from posefleet_trainer.losses.poses import ClipPoses
from posefleet_trainer.models.decoding import gaussian_targets


def poses_at(points: torch.Tensor, confidence: float = 1.0) -> ClipPoses:
    """A network that is sure of ``points`` (frame, keypoint, xy), with source, image and heatmap pixels alike."""
    return ClipPoses(
        points=points,
        confidence=torch.full(points.shape[:2], confidence),
        heatmaps=gaussian_targets(points, 32, 32, TARGET_SIGMA),
        heatmap_points=points,
    )
