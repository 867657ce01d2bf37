"""What the manifest of a project sets, and why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from posefleet_api.dataset import Split
from posefleet_api.model import ImageSize, SingleViewPcaLoss
from posefleet_api.resources import Resources
from posefleet_api.training import Training
from posefleet_api.values import quantity_bytes
from posefleet_cli.inspection import Findings
from posefleet_cli.lightning_pose_config import TakenConfig
from posefleet_trainer.dataset.pose_subspaces import fit_single_view, label_points
from posefleet_trainer.dataset.split import frames_of_set
from posefleet_trainer.errors import InvalidInput

_DEFAULT_SIDE = 256
_STEP = 32
_GIB = 2**30
#: Copies at training size are seldom larger than their videos.
_COPIES = 2


@dataclass(frozen=True)
class Choice:
    """One choice with its reason."""

    section: str
    """The part of the spec, such as ``model``."""
    reason: str
    """One line."""
    fields: dict[str, Any]
    """What the manifest sets in that part; empty if the default is right."""


def choose(findings: Findings, config: TakenConfig | None) -> list[Choice]:
    """Return the choices for a project, in the order of the manifest.

    Raises:
        InvalidInput: the config names columns that the labels do not have.
    """
    taken = dict(config.spec) if config else {}
    split = Split.model_validate(taken.get("dataset.split", {}))
    seed = taken.get("training.seed", 0)
    return [
        _dataset(findings, config, split),
        *_videos(findings),
        *_model(findings, taken),
        _losses(findings, config, split, seed),
        *_training(taken),
        *_predict(findings),
        _resources(findings),
    ]


def _dataset(findings: Findings, config: TakenConfig | None, split: Split) -> Choice:
    labelled = sum(frame.set == "labelled" for frame in findings.frames)
    fields: dict[str, Any] = {}
    if findings.format == "lightningPose" and findings.labels != "CollectedData.csv":
        fields["labels"] = findings.labels
    if config and split != Split():
        fields["split"] = split.to_dict()
    count = f"{labelled} labelled frames of {len(findings.keypoints)} keypoints"
    return Choice("dataset", f"{count}, format {findings.format}", fields)


def _videos(findings: Findings) -> list[Choice]:
    if not findings.patterns:
        return []
    return [Choice("dataset", "the videos are not in mp4 containers", {"videos": findings.patterns})]


def _predict(findings: Findings) -> list[Choice]:
    if not findings.patterns:
        return []
    return [Choice("predict", "the same videos are predicted", {"videos": findings.patterns})]


def _model(findings: Findings, taken: dict[str, Any]) -> list[Choice]:
    choices = []
    if backbone := taken.get("model.backbone"):
        same = backbone == "resnet50"
        choices.append(Choice("model", "the backbone of config.yaml", {} if same else {"backbone": backbone}))
    (width, height), _ = findings.sizes[0]
    frames = f"most frames have {width}x{height} pixels" if len(findings.sizes) > 1 else f"frames of {width}x{height}"
    if size := taken.get("model.imageSize"):
        reason = f"image size of config.yaml; {frames}"
    else:
        size = image_size(width, height)
        reason = f"image size: about as many pixels as 256x256 in the proportions of the video; {frames}"
    fields = {} if size == ImageSize().to_dict() else {"imageSize": size}
    return [*choices, Choice("model", reason, fields)]


def image_size(width: int, height: int) -> dict[str, int]:
    """Return the size of about 256x256 pixels in the proportions of the frames, in multiples of 32."""
    stretch = math.sqrt(width / height)
    sides = {"height": _DEFAULT_SIDE / stretch, "width": _DEFAULT_SIDE * stretch}
    return {name: min(2048, max(64, _STEP * round(side / _STEP))) for name, side in sides.items()}


def _losses(findings: Findings, config: TakenConfig | None, split: Split, seed: int) -> Choice:
    if not findings.videos:
        off = {"temporal": {"weight": 0}, "pcaSingleView": {"weight": 0}}
        return Choice("losses", "there is no video, which the unsupervised losses need", off)
    if config is not None:
        return _losses_of_config(findings, config, split, seed)
    problem = _pca_problem(findings, [], split, seed)
    if problem:
        return Choice("losses", f"temporal alone: {problem}", {"pcaSingleView": {"weight": 0}})
    return Choice("losses", "temporal and pcaSingleView, the defaults, suit these data", {})


def _losses_of_config(findings: Findings, config: TakenConfig, split: Split, seed: int) -> Choice:
    fields: dict[str, Any] = {loss: dict(values) for loss, values in config.losses.items()}
    reason = f"losses of {config.name}: {', '.join(fields) or 'none'}, with their shares of the whole"
    if "pcaSingleView" in fields:
        named = _names(findings, config.columns.get("keypoints", []), config)
        names = [name for name in named if name in findings.keypoints]
        if names and names != findings.keypoints:
            fields["pcaSingleView"]["keypoints"] = names
        if problem := _pca_problem(findings, names, split, seed):
            fields["pcaSingleView"] = {"weight": 0}
            reason += f"; without pcaSingleView: {problem}"
    if "pcaMultiView" in fields:
        fields["pcaMultiView"]["views"] = _views(findings, config)
        problem = _size_problem(findings)
        if not problem and not fields["pcaMultiView"]["views"]:
            problem = "data.mirrored_column_matches lists no keypoints that all views have"
        if problem:
            del fields["pcaMultiView"]
            reason += f"; without pcaMultiView: {problem}"
    for loss in ("temporal", "pcaSingleView"):
        fields.setdefault(loss, {"weight": 0})
    return Choice("losses", reason, {name: _set_fields(name, value) for name, value in fields.items()})


def _set_fields(loss: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a loss without those that are the default."""
    defaults = {"temporal": {"epsilonPixels": 20}, "pcaSingleView": {"explainedVariancePercent": 99}}
    usual = {"weight": 1.0, **defaults.get(loss, {"components": 3})}
    return {name: value for name, value in fields.items() if name not in usual or value != usual[name]}


def _views(findings: Findings, config: TakenConfig) -> list[list[str]]:
    """Return the keypoints of each view, without body parts that are not labelled in all of them."""
    views = [_names(findings, view, config) for view in config.columns.get("views", [])]
    if len(views) < 2 or len({len(view) for view in views}) > 1:
        return []
    labelled = [part for part in zip(*views, strict=True) if set(part) <= set(findings.keypoints)]
    return [list(view) for view in zip(*labelled, strict=True)]


def _names(findings: Findings, columns: Any, config: TakenConfig) -> list[str]:
    """Return the names of columns of the labels."""
    numbers = range(len(findings.columns))
    try:
        return [findings.columns[numbers.index(column)] for column in columns]
    except (ValueError, TypeError):
        raise InvalidInput(
            f"{config.name} names columns {columns}, and the labels have numbers 0 to {len(findings.columns) - 1}; it "
            "belongs to another project: name the right one with --config, or remove it"
        ) from None


def _size_problem(findings: Findings) -> str:
    """Return why no PCA loss suits the data; an empty text if all frames and videos have one size."""
    sizes = {size for size, _ in findings.sizes} | findings.video_sizes
    return (
        f"frames and videos have {len(sizes)} sizes, and PCA losses compare poses in pixels" if len(sizes) > 1 else ""
    )


def _pca_problem(findings: Findings, names: Sequence[str], split: Split, seed: int) -> str:
    """Return why the single-view PCA loss does not suit the data; an empty text if it does."""
    if problem := _size_problem(findings):
        return problem
    points = label_points(frames_of_set(findings.frames, split, seed, "train"), len(findings.keypoints))
    chosen = [findings.keypoints.index(name) for name in names] or range(len(findings.keypoints))
    try:
        fit_single_view(points, SingleViewPcaLoss().explained_variance_percent / 100, chosen)
    except InvalidInput as error:
        return str(error).partition(";")[0].removeprefix("losses.")
    return ""


def _training(taken: dict[str, Any]) -> list[Choice]:
    defaults = Training().to_dict()
    found = {path.partition(".")[2]: value for path, value in taken.items() if path.startswith("training.")}
    fields = {name: value for name, value in found.items() if value != defaults[name]}
    return [Choice("training", "from config.yaml", fields)] if fields else []


def _resources(findings: Findings) -> Choice:
    videos = sum(video.size_bytes for video in findings.videos)
    needed = _COPIES * videos + findings.frames_bytes + _GIB
    default = quantity_bytes(Resources().cache_per_node)
    fields = {} if needed <= default else {"cachePerNode": f"{math.ceil(needed / _GIB)}Gi"}
    room = "they need this cache" if fields else "they fit into the default cache"
    count = f"{len(findings.videos)} video{'' if len(findings.videos) == 1 else 's'}"
    reason = f"the default, one GPU; {count} of {_readable(videos)} and copies at training size: {room}"
    return Choice("resources", reason, fields)


def _readable(size_bytes: int) -> str:
    return f"{size_bytes / _GIB:.1f} GiB" if size_bytes >= _GIB else f"{math.ceil(size_bytes / 2**20)} MiB"
