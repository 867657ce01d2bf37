"""What is trained: ``spec.model`` and ``spec.losses``."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from posefleet_api.base import ApiModel, Matches, rules
from posefleet_api.values import KeypointRef, PositiveNumber

Backbone = Literal[
    "resnet10t",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "mobilenetv3_small",
    "mobilenetv3_large",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "convnext_tiny",
    "vit_small",
    "vit_base",
]
BACKBONES: tuple[str, ...] = get_args(Backbone)

_MULTIPLE_OF_32 = (
    "self.height % 32 == 0 && self.width % 32 == 0",
    "height and width must be multiples of 32",
)
Side = Annotated[int, Field(ge=64, le=2048)]


class ImageSize(ApiModel):
    """The size that frames are resized to before the network sees them."""

    model_config = {"json_schema_extra": rules(_MULTIPLE_OF_32)}

    height: Side = 256
    """Pixels, a multiple of 32."""
    width: Side = 256
    """Pixels, a multiple of 32."""

    @model_validator(mode="after")
    def _multiples(self) -> "ImageSize":
        if self.height % 32 or self.width % 32:
            raise ValueError(_MULTIPLE_OF_32[1])
        return self


class Model(ApiModel):
    """The network."""

    type: Literal["heatmap"] = "heatmap"
    """heatmap: a backbone, an upsampling head, and one heatmap per keypoint."""
    backbone: Backbone = "resnet50"
    """The image encoder. Larger is more accurate with many labels, slower, and hungrier for memory."""
    weights: Annotated[
        str,
        Field(max_length=1024),
        Matches(
            r"imagenet|none|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\s?#]+|file:///[^\s?#]+",
            "must be imagenet, none, s3://BUCKET/KEY or file:///PATH of a weights file (.safetensors or .pth)",
        ),
    ] = "imagenet"
    """What the backbone starts from: imagenet (downloaded from a public hub by the trainer pods), none, or
    the URI of a weights file for clusters that cannot reach a hub."""
    image_size: ImageSize = ImageSize()
    """The size that frames are resized to before the network sees them."""


Weight = Annotated[PositiveNumber, Field(le=1000)]


class TemporalLoss(ApiModel):
    """Penalises jumps between consecutive frames of unlabelled video."""

    weight: Weight = 1.0
    """Multiplies the loss's default strength."""
    epsilon_pixels: Annotated[float, Field(ge=0)] = 20.0
    """Jumps up to this many pixels of the source video are free."""


class SingleViewPcaLoss(ApiModel):
    """Penalises poses outside the plane of poses that the labels span."""

    weight: Weight = 1.0
    """Multiplies the loss's default strength."""
    components: Annotated[float, Field(gt=0, le=1000)] = 0.99
    """Below 1: keep as many components as explain this share of the labels' variance. From 1: exactly that many."""
    keypoints: Annotated[list[KeypointRef], Field(max_length=512)] = []
    """The keypoints (names, or numbers from 0) that the loss sees. Empty: all."""


class MultiViewPcaLoss(ApiModel):
    """Penalises poses that several views of one animal (cameras or mirrors in one frame) cannot share."""

    weight: Weight = 1.0
    """Multiplies the loss's default strength."""
    components: Annotated[int, Field(ge=1, le=16)] = 3
    """Components kept; a point in space has three coordinates."""
    views: Annotated[
        list[Annotated[list[KeypointRef], Field(min_length=1, max_length=512)]],
        Field(min_length=2, max_length=16),
    ]
    """One list of keypoints (names, or numbers from 0) per view, the same body parts in the same order."""

    @model_validator(mode="after")
    def _same_length(self) -> "MultiViewPcaLoss":
        if any(len(view) != len(self.views[0]) for view in self.views):
            raise ValueError(_SAME_LENGTH[1])
        return self


_SAME_LENGTH = (
    "self.views.all(v, size(v) == size(self.views[0]))",
    "every view must list the same number of keypoints, the same body parts in the same order",
)
MultiViewPcaLoss.model_config["json_schema_extra"] = rules(_SAME_LENGTH)


class UnimodalLoss(ApiModel):
    """Penalises heatmaps of unlabelled frames that have more than one peak."""

    weight: Weight = 1.0
    """Multiplies the loss's default strength."""


class Losses(ApiModel):
    """Unsupervised losses on unlabelled video, beside the supervised heatmap loss. One that is left out is off;
    ``losses: {}`` trains on labelled frames alone."""

    temporal: TemporalLoss | None = None
    """Penalises jumps between consecutive frames."""
    pca_single_view: SingleViewPcaLoss | None = None
    """Penalises implausible poses."""
    pca_multi_view: MultiViewPcaLoss | None = None
    """Penalises views that disagree."""
    unimodal: UnimodalLoss | None = None
    """Penalises heatmaps with several peaks."""
