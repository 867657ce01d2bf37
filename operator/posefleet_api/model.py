"""The network and its losses: ``spec.model`` and ``spec.losses``."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from posefleet_api.base import ApiModel, Matches, rules
from posefleet_api.values import KeypointRef

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
    """Size to which frames are resized before they enter the network."""

    model_config = {"json_schema_extra": rules(_MULTIPLE_OF_32)}
    computed_with = frozenset({"height", "width"})

    height: Side = 256
    """Height in pixels, a multiple of 32."""
    width: Side = 256
    """Width in pixels, a multiple of 32."""

    @model_validator(mode="after")
    def _multiples(self) -> "ImageSize":
        if self.height % 32 or self.width % 32:
            raise ValueError(_MULTIPLE_OF_32[1])
        return self


class Model(ApiModel):
    """The network that is trained."""

    type: Literal["heatmap"] = "heatmap"
    """Type of the network. heatmap has a backbone, an upsampling head and one heatmap per keypoint."""
    backbone: Backbone = "resnet50"
    """Image encoder. A larger one is more accurate with many labels, slower, and needs more memory."""
    weights: Annotated[
        str,
        Field(max_length=1024),
        Matches(
            r"imagenet|none|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\s?#]+|file:///[^\s?#]+",
            "must be imagenet, none, s3://BUCKET/KEY or file:///PATH of a weights file (.safetensors or .pth)",
        ),
    ] = "imagenet"
    """Initial weights of the backbone: imagenet, which the trainer pods download from a public hub, none, or the URI
    of a weights file for clusters that cannot reach a hub."""
    image_size: ImageSize = ImageSize()
    """Size to which frames are resized before they enter the network."""


Weight = Annotated[float, Field(ge=0, le=1000)]


class TemporalLoss(ApiModel):
    """Penalises jumps between consecutive frames of unlabelled video."""

    weight: Weight = 1.0
    """Factor by which the default strength of the loss is multiplied. 0 turns the loss off."""
    epsilon_pixels: Annotated[int, Field(ge=0, le=10_000)] = 20
    """Size in pixels of the source video up to which a jump is not penalised."""


class SingleViewPcaLoss(ApiModel):
    """Penalises poses outside the linear subspace of poses that the labels span."""

    weight: Weight = 1.0
    """Factor by which the default strength of the loss is multiplied. 0 turns the loss off."""
    components: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Number of principal components that are kept. If it is left out, explainedVariancePercent decides."""
    explained_variance_percent: Annotated[int, Field(ge=1, le=100)] = 99
    """As many principal components are kept as explain this percentage of the variance of the labels."""
    keypoints: Annotated[list[KeypointRef], Field(max_length=512)] = []
    """Keypoints that the loss applies to, by name or by number starting at 0. If it is empty, the loss applies to all
    keypoints."""


class MultiViewPcaLoss(ApiModel):
    """Penalises poses that do not fit together in several views of one animal, such as mirrors in one frame."""

    weight: Weight = 1.0
    """Factor by which the default strength of the loss is multiplied. 0 turns the loss off."""
    components: Annotated[int, Field(ge=1, le=16)] = 3
    """Number of principal components that are kept. A point in space has three coordinates."""
    views: Annotated[
        list[Annotated[list[KeypointRef], Field(min_length=1, max_length=512)]],
        Field(max_length=16),
    ] = []
    """Keypoints of each view, by name or by number starting at 0, with the same body parts in the same order. Without
    views the loss is off."""

    @model_validator(mode="after")
    def _same_length(self) -> "MultiViewPcaLoss":
        if len(self.views) == 1:
            raise ValueError(_TWO_VIEWS[1])
        if any(len(view) != len(self.views[0]) for view in self.views):
            raise ValueError(_SAME_LENGTH[1])
        return self


_SAME_LENGTH = (
    "!has(self.views) || self.views.all(v, size(v) == size(self.views[0]))",
    "every view must list the same number of keypoints, the same body parts in the same order",
)
_TWO_VIEWS = ("!has(self.views) || size(self.views) != 1", "one view cannot be compared with another: list two or more")
MultiViewPcaLoss.model_config["json_schema_extra"] = rules(_SAME_LENGTH, _TWO_VIEWS)


class UnimodalLoss(ApiModel):
    """Penalises heatmaps of unlabelled frames that have more than one peak."""

    weight: Weight = 0.0
    """Factor by which the default strength of the loss is multiplied. 0, the default, turns the loss off."""


class Losses(ApiModel):
    """Unsupervised losses on unlabelled video, in addition to the supervised heatmap loss. The temporal loss and the
    single-view PCA loss are on unless their weight is 0, whichever others are named."""

    temporal: TemporalLoss = TemporalLoss()
    """Penalises jumps of a keypoint between consecutive frames."""
    pca_single_view: SingleViewPcaLoss = SingleViewPcaLoss()
    """Penalises poses that are unlike all labelled poses."""
    pca_multi_view: MultiViewPcaLoss = MultiViewPcaLoss()
    """Penalises poses that do not fit together in several views."""
    unimodal: UnimodalLoss = UnimodalLoss()
    """Penalises heatmaps that have more than one peak."""

    @property
    def on(self) -> tuple[str, ...]:
        """Names of the losses that are on, as in the manifest."""
        weights = {
            "temporal": self.temporal.weight,
            "pcaSingleView": self.pca_single_view.weight,
            "pcaMultiView": self.pca_multi_view.weight if self.pca_multi_view.views else 0.0,
            "unimodal": self.unimodal.weight,
        }
        return tuple(name for name, weight in weights.items() if weight > 0)
