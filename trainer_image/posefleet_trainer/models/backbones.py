"""Backbones: the image encoders of the pose networks."""

import re
from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import nn

from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.encoders import ENCODERS

#: The coarsest and the finest features that the head uses, in image pixels per feature pixel.
_COARSEST, _FINEST = 32, 4
#: How timm's feature extractors rename the modules of the network inside: ``stages_0.`` for ``stages.0.``.
_FLATTENED = re.compile(r"^([a-z]+)_(\d+)\.")


class Backbone(nn.Module):
    """A timm network without its classifier, which computes a pyramid of features.

    Args:
        name: a key of ``ENCODERS``.
        image: size of the images that the network reads.
        weights: state of a timm model of that name, with or without its classifier; None initialises at random.
    """

    def __init__(self, name: str, image: Grid, weights: Mapping[str, torch.Tensor] | None = None) -> None:
        super().__init__()
        encoder = ENCODERS[name]
        sized: dict[str, Any] = {"img_size": (image.height, image.width)} if encoder.reads_fixed_size else {}
        options: dict[str, Any] = {"features_only": True, **sized}
        if weights is not None:
            options |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": dict(weights)}}
        self.features: Any = timm.create_model(encoder.timm_name, **options)
        info: Any = self.features.feature_info
        self._levels = _levels(info.reduction())
        self.reductions = [info.reduction()[level] for level in self._levels]
        self.channels = [info.channels()[level] for level in self._levels]

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Compute features of ``images`` (frame, 3, height, width), the coarsest first, at ``self.reductions``."""
        pyramid = self.features(images)
        return [pyramid[level] for level in self._levels]


def _levels(reductions: list[int]) -> list[int]:
    """Return the deepest level of each resolution that the head uses, the coarsest resolution first."""
    deepest = {reduction: level for level, reduction in enumerate(reductions) if _FINEST <= reduction <= _COARSEST}
    return [deepest[reduction] for reduction in sorted(deepest, reverse=True)]


def timm_name_of(name: str) -> str:
    """Return the name that a tensor of ``Backbone.features`` has in timm's own files."""
    return _FLATTENED.sub(r"\1.\2.", name.removeprefix("model."))
