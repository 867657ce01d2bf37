"""The head: features become heatmaps at a quarter of the image's size."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from posefleet_trainer.models.backbones import Backbone
from posefleet_trainer.models.coordinates import HEATMAP_STRIDE, Grid

#: Channels of the head at its coarsest; they halve towards the heatmaps, where pixels are many.
_WIDTH = 128
_NARROWEST = 32


class HeatmapHead(nn.Module):
    """Upsampling head after the feature pyramid network (Lin et al., CVPR 2017).

    From the coarsest features on: upsample by two, add the backbone's own features of that resolution where it has
    them, convolve; a last convolution gives one map a keypoint. What the pyramid adds is the fine detail that the
    coarsest features have lost, which is what tells a paw from its neighbour.
    """

    def __init__(self, channels: Sequence[int], reductions: Sequence[int], keypoints: int) -> None:
        super().__init__()
        lateral_channels = dict(zip(reductions, channels, strict=True))
        width, reduction = _WIDTH, reductions[0]
        self.stem = _convolution(channels[0], width, kernel=1)
        self.lateral = nn.ModuleDict()
        self.refine = nn.ModuleDict()
        while reduction > HEATMAP_STRIDE:
            reduction //= 2
            narrower = max(width // 2, _NARROWEST)
            if reduction in lateral_channels:
                self.lateral[str(reduction)] = nn.Conv2d(lateral_channels[reduction], width, 1, bias=False)
            self.refine[str(reduction)] = _convolution(width, narrower, kernel=3)
            width = narrower
        self.reductions = tuple(reductions)
        self.out = nn.Conv2d(width, keypoints, 1)
        # Small logits: training starts from flat heatmaps, not from random peaks.
        nn.init.normal_(self.out.weight, std=1e-3)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Logits (frame, keypoint, height / 4, width / 4) of ``features``, the coarsest first."""
        at = dict(zip(self.reductions, features, strict=True))
        maps = self.stem(features[0])
        for name, refine in self.refine.items():
            maps = functional.interpolate(maps, scale_factor=2.0, mode="nearest")
            if name in self.lateral:
                maps = maps + self.lateral[name](at[int(name)])
            maps = refine(maps)
        logits: torch.Tensor = self.out(maps)
        return logits


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


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
