"""The backbones that a manifest can name, and what timm calls them. This module loads neither torch nor timm."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Encoder:
    """What timm calls a backbone of ``posefleet_api.model.BACKBONES``."""

    timm_name: str
    """Name of the model and its weights on timm's hub."""
    reads_fixed_size: bool = False
    """Whether the network is built for one image size (vision transformers)."""

    @property
    def hub_repository(self) -> str:
        """Name of the repository on the hub."""
        return f"timm/{self.timm_name}"

    @property
    def resizable(self) -> tuple[str, ...]:
        """Names of the tensors that timm interpolates if a file was written for another image size."""
        return ("pos_embed",) if self.reads_fixed_size else ()


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
