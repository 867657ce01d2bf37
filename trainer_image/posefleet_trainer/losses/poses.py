"""The poses that the unsupervised losses judge, and the arithmetic that these losses share."""

from dataclasses import dataclass

import torch

#: Keypoints below this confidence are guesses: pulling a guess towards its neighbours teaches the network nothing.
LEAST_CONFIDENCE = 0.05


@dataclass(frozen=True)
class ClipPoses:
    """The keypoints that the network finds in consecutive frames of an unlabelled video."""

    points: torch.Tensor
    """(frame, keypoint, xy) in pixels of the source video."""
    confidence: torch.Tensor
    """(frame, keypoint) from 0 to 1."""
    heatmaps: torch.Tensor
    """(frame, keypoint, height, width), each map summing to one."""
    heatmap_points: torch.Tensor
    """(frame, keypoint, xy) in pixels of the heatmaps."""

    @property
    def certain(self) -> torch.Tensor:
        """(frame, keypoint): whether the confidence reaches ``LEAST_CONFIDENCE``, so that losses count the keypoint."""
        return self.confidence.detach() >= LEAST_CONFIDENCE

    @property
    def doubt(self) -> torch.Tensor:
        """(frame, keypoint): the share of each heatmap's mass that lies away from its keypoint, without gradient."""
        return (1.0 - self.confidence.detach()).clamp(0.0, 1.0)


def mean_where(values: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Return the mean of ``values`` over the entries that are ``counted``.

    Without any such entry the mean is zero, with a gradient of zero.
    """
    return torch.where(counted, values, 0.0).sum() / counted.sum().clamp_min(1)


def length(vectors: torch.Tensor) -> torch.Tensor:
    """Return the Euclidean length over the last axis, with a gradient of zero (not NaN) at the zero vector."""
    squared = vectors.square().sum(dim=-1)
    positive = squared > 0
    return torch.where(positive, squared.where(positive, 1.0).sqrt(), 0.0)
