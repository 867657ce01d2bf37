"""The network: images in, logits of heatmaps out."""

from collections.abc import Mapping

import torch
from torch import nn

from posefleet_trainer.models.backbones import Backbone
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.head import HeatmapHead

#: Mean and spread of ImageNet's pixels (red, green, blue; 0 to 255), which the backbones' public weights expect.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


class PoseNetwork(nn.Module):
    """A backbone and a heatmap head.

    Args:
        backbone: one of ``posefleet_api.model.BACKBONES``.
        image: the size of the images that it will see.
        keypoints: how many maps it gives.
        weights: what the backbone starts from; None for random numbers.
    """

    def __init__(
        self, backbone: str, image: Grid, keypoints: int, weights: Mapping[str, torch.Tensor] | None = None
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone, image, weights)
        self.head = HeatmapHead(self.backbone.channels, self.backbone.reductions, keypoints)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (frame, keypoint, height / 4, width / 4) of normalised ``images`` (frame, 3, height, width)."""
        logits: torch.Tensor = self.head(self.backbone(images))
        return logits


def normalised(frames: torch.Tensor) -> torch.Tensor:
    """What the network reads for ``frames`` (frame, height, width, 3) of bytes: float32 (frame, 3, height, width)."""
    mean = torch.tensor(PIXEL_MEAN, device=frames.device)
    std = torch.tensor(PIXEL_STD, device=frames.device)
    return ((frames.float() - mean) / std).permute(0, 3, 1, 2)
