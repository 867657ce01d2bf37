"""The pose network: a backbone, a head that turns its features into heatmaps, and the pixels that it reads."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from posefleet_trainer.models.backbones import Backbone
from posefleet_trainer.models.coordinates import HEATMAP_STRIDE, Grid

#: Mean and standard deviation of ImageNet's pixels (red, green, blue; 0 to 255), which the public weights expect.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)

#: Channels of the head at its coarsest level; they are halved at each finer level, down to the second number.
_WIDTH = 128
_NARROWEST = 32


class PoseNetwork(nn.Module):
    """A backbone and a heatmap head.

    Args:
        backbone: one of ``posefleet_api.model.BACKBONES``.
        image: size of the images that the network reads.
        keypoints: number of heatmaps that it computes per image.
        weights: initial weights of the backbone; None initialises it at random.

    Raises:
        RuntimeError: ``weights`` do not fit the backbone.
    """

    def __init__(
        self, backbone: str, image: Grid, keypoints: int, weights: Mapping[str, torch.Tensor] | None = None
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone, image, weights)
        self.head = HeatmapHead(self.backbone.channels, self.backbone.reductions, keypoints)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute logits (frame, keypoint, height / 4, width / 4) of normalised images (frame, 3, height, width)."""
        logits: torch.Tensor = self.head(self.backbone(images))
        return logits


class HeatmapHead(nn.Module):
    """Upsampling head after the feature pyramid network (Lin et al., CVPR 2017, section 3).

    From the coarsest features on, each level upsamples by two, adds the backbone's own features of that resolution
    where it has them, and convolves; a last convolution computes one map per keypoint. The added features hold the
    fine detail that the coarsest ones have lost and that tells neighbouring body parts apart.

    Args:
        channels: of the backbone's features, the coarsest first.
        reductions: image pixels per pixel of those features.
        keypoints: number of maps.
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
        """Compute logits (frame, keypoint, height / 4, width / 4) of ``features``, the coarsest first."""
        at = dict(zip(self.reductions, features, strict=True))
        maps = self.stem(features[0])
        for name, refine in self.refine.items():
            maps = functional.interpolate(maps, scale_factor=2.0, mode="nearest")
            if name in self.lateral:
                maps = maps + self.lateral[name](at[int(name)])
            maps = refine(maps)
        logits: torch.Tensor = self.out(maps)
        return logits


def normalised(frames: torch.Tensor) -> torch.Tensor:
    """Normalise ``frames`` (frame, height, width, 3), RGB bytes, to float32 images (frame, 3, height, width)."""
    mean = torch.tensor(PIXEL_MEAN, device=frames.device)
    std = torch.tensor(PIXEL_STD, device=frames.device)
    return ((frames.float() - mean) / std).permute(0, 3, 1, 2)


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
