"""Backbones: the image encoders that a manifest can name, and the pretrained weights that they start from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.models.coordinates import Grid


@dataclass(frozen=True)
class Encoder:
    """What timm calls a backbone of ``posefleet_api.model.BACKBONES``."""

    timm_name: str
    """Name of the model and its weights on timm's hub."""
    reads_fixed_size: bool = False
    """Whether the network is built for one image size (vision transformers)."""


ENCODERS: Mapping[str, Encoder] = {
    "resnet10t": Encoder("resnet10t.c3_in1k"),
    "resnet18": Encoder("resnet18.a1_in1k"),
    "resnet34": Encoder("resnet34.a1_in1k"),
    "resnet50": Encoder("resnet50.a1_in1k"),
    "resnet101": Encoder("resnet101.a1_in1k"),
    "resnet152": Encoder("resnet152.a1_in1k"),
    "mobilenetv3_small": Encoder("mobilenetv3_small_100.lamb_in1k"),
    "mobilenetv3_large": Encoder("mobilenetv3_large_100.ra_in1k"),
    "efficientnet_b0": Encoder("efficientnet_b0.ra_in1k"),
    "efficientnet_b1": Encoder("efficientnet_b1.ft_in1k"),
    "efficientnet_b2": Encoder("efficientnet_b2.ra_in1k"),
    "convnext_tiny": Encoder("convnext_tiny.in12k_ft_in1k"),
    "vit_small": Encoder("vit_small_patch16_224.dino", reads_fixed_size=True),
    "vit_base": Encoder("vit_base_patch16_224.dino", reads_fixed_size=True),
}

#: The coarsest and the finest features that the head uses, in image pixels per feature pixel.
_COARSEST, _FINEST = 32, 4
#: Keys under which training programs wrap a model's state in their files, outermost first.
_WRAPPERS = ("state_dict", "model", "state_dict_ema")


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


def hub_weights(backbone: str, directory: Path) -> dict[str, torch.Tensor]:
    """Download the ImageNet weights of ``backbone`` from timm's public hub; ``directory`` keeps them.

    Raises:
        InvalidInput: the hub cannot be reached.
    """
    name = ENCODERS[backbone].timm_name
    try:
        model = timm.create_model(name, pretrained=True, cache_dir=directory)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidInput(
            f"model.weights: imagenet needs the public hub for {name}, which cannot be reached from here ({reason}); "
            "set model.weights to none, or to the s3:// URI of a weights file (.safetensors or .pth) in your store"
        ) from error
    state: dict[str, torch.Tensor] = model.state_dict()
    return state


def file_weights(path: Path, uri: str) -> dict[str, torch.Tensor]:
    """Read the tensors of a .safetensors or .pth file, without executing anything in it.

    Args:
        path: the file on this node.
        uri: where it came from; decides the format and is named in errors.

    Raises:
        InvalidInput: the file cannot be read, or holds no tensors.
    """
    try:
        content = _read(path, uri)
    except Exception as error:
        raise InvalidInput(f"model.weights: {uri} cannot be read as a weights file: {error}") from error
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    state = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not state:
        raise InvalidInput(f"model.weights: {uri} holds no weights: it must map names to tensors")
    return {name.removeprefix("module.").removeprefix("backbone."): value for name, value in state.items()}


def _read(path: Path, uri: str) -> dict[str, Any]:
    if uri.endswith(".safetensors"):
        from safetensors.torch import load_file

        return dict(load_file(path))
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise TypeError("not a dictionary")
    return content
