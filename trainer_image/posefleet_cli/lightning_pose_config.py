"""What a manifest takes from the ``config.yaml`` of a Lightning Pose project, field by field.

Lightning Pose computes the weight of a loss as ``1 / (2 exp(log_weight))``, also that of the heatmap loss, whose
``log_weight`` is 0. Both programs measure the losses in the same units, so the ratio to the heatmap loss carries over.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from posefleet_api.dataset import Split
from posefleet_api.model import Backbone
from posefleet_trainer.errors import InvalidInput

_MAX_BYTES = 2**20
#: Keys that say where something lies on the computer where Lightning Pose ran, or how its own program behaves.
_WITHOUT_MEANING = frozenset(
    {"data.data_dir", "data.num_keypoints", "data.keypoint_names", "model.model_name", "model.losses_to_use",
     "eval.test_videos_directory", "data.video_dir", "training.min_epochs"}
)  # fmt: skip
_SECTIONS = ("data", "training", "model", "losses", "dali", "eval", "callbacks")
_LOSSES = {"temporal": "temporal", "pca_singleview": "pcaSingleView", "pca_multiview": "pcaMultiView"}


@dataclass
class TakenConfig:
    """What was read of a ``config.yaml``."""

    name: str
    labels: str = ""
    """The name of ``data.csv_file``, which lies in the project folder."""
    keypoints: list[str] = field(default_factory=list)
    """``data.keypoint_names``."""
    spec: dict[str, Any] = field(default_factory=dict)
    """Fields of the manifest by their paths, such as ``model.imageSize``."""
    losses: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The losses of ``model.losses_to_use`` by their names in the manifest, with what is set of them."""
    columns: dict[str, list[Any]] = field(default_factory=dict)
    """The numbers of keypoints that the PCA losses use: ``keypoints`` and ``views``."""
    taken: list[str] = field(default_factory=list)
    """A line for each key that was taken."""
    without_counterpart: list[str] = field(default_factory=list)
    """The keys that mean something for Lightning Pose alone."""


def is_lightning_pose_config(content: Any) -> bool:
    """Return whether a parsed file is a config of Lightning Pose, and not one of DeepLabCut for example."""
    return isinstance(content, Mapping) and all(isinstance(content.get(key), Mapping) for key in ("data", "training"))


def parse_config(content: bytes, name: str) -> TakenConfig | None:
    """Read a ``config.yaml``; None if it is not one of Lightning Pose.

    Raises:
        InvalidInput: it is too large or not YAML, has several views, or a value of another type than Lightning Pose's.
    """
    if len(content) > _MAX_BYTES:
        raise InvalidInput(f"{name} has more than {_MAX_BYTES // 2**20} MiB; is it the right file?")
    try:
        config = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = str(getattr(error, "problem_mark", None) or error).strip()
        raise InvalidInput(f"{name} is not YAML ({line}); correct it") from None
    if not is_lightning_pose_config(config):
        return None
    values = {path: value for path, value in _leaves(config) if value is not None}
    views = values.get("data.view_names")
    if isinstance(views, list) and len(views) > 1:
        raise InvalidInput(f"{name} names several views in data.view_names; make one job for the labels of each camera")
    return _Reader(name, values).read()


def _leaves(config: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the values by their paths; lists are values."""
    found: list[tuple[str, Any]] = []
    for section in _SECTIONS:
        pending = [(section, config.get(section))]
        while pending:
            path, value = pending.pop(0)
            if isinstance(value, Mapping):
                pending[:0] = [(f"{path}.{key}", inner) for key, inner in value.items()]
            else:
                found.append((path, value))
    return found


class _Reader:
    """Goes through the keys of a config, and notes what becomes of each."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self._values = values
        self._used: set[str] = set()
        self._config = TakenConfig(name)

    def read(self) -> TakenConfig:
        """Return what the manifest takes."""
        config = self._config
        config.labels = PurePosixPath(self._take("data.csv_file", str, "dataset.labels") or "").name
        config.keypoints = [str(name) for name in self._list("data.keypoint_names")]
        self._read_image_size()
        self._read_split()
        self._field("training.max_epochs", int, "training.epochs")
        self._field("training.train_batch_size", int, "training.batchSize")
        self._field("training.check_val_every_n_epoch", int, "training.validateEveryEpochs")
        self._field("training.rng_seed_data_pt", int, "training.seed")
        self._field("training.optimizer_params.learning_rate", _finite, "training.learningRate")
        self._field("dali.base.train.sequence_length", int, "training.clipLength")
        if self._values.get("model.backbone") in get_args(Backbone):
            self._field("model.backbone", str, "model.backbone")
        self._read_losses()
        unused = [path for path in self._values if path not in self._used and path not in _WITHOUT_MEANING]
        config.without_counterpart = [path for path in unused if not self._is_of_a_loss_that_is_off(path)]
        return config

    def _take(self, path: str, kind: Callable[[Any], Any], target: str) -> Any:
        """Return the value at ``path``, or None without one, and note that it becomes ``target``."""
        if path not in self._values:
            return None
        value = self._values[path]
        try:
            converted = kind(value)
        except (TypeError, ValueError, OverflowError):
            raise InvalidInput(f"{self._config.name}: {path} is {str(value)[:40]!r}; correct it") from None
        self._used.add(path)
        self._config.taken.append(f"{path} as {target}")
        return converted

    def _list(self, path: str) -> list[Any]:
        value = self._values.get(path)
        return value if isinstance(value, list) else []

    def _field(self, path: str, kind: Callable[[Any], Any], target: str) -> None:
        value = self._take(path, kind, target)
        if value is not None:
            self._config.spec[target] = value

    def _read_image_size(self) -> None:
        sides = [self._take(f"data.image_resize_dims.{side}", int, f"model.imageSize.{side}") for side in _SIDES]
        if all(sides):
            self._config.spec["model.imageSize"] = dict(zip(_SIDES, sides, strict=True))

    def _read_split(self) -> None:
        validation = self._take("training.val_prob", _share, "dataset.split")
        if validation is None:
            return
        train = self._take("training.train_prob", _share, "dataset.split")
        percent = round(100 * validation)
        rest = 0 if train is None else max(0, 100 - round(100 * train) - percent)
        split = {"validationPercent": percent, "testPercent": rest}
        try:
            Split.model_validate(split)
        except ValidationError:
            raise InvalidInput(
                f"{self._config.name}: training.train_prob and val_prob are {train} and {validation}; correct them to "
                "shares that leave frames to train on"
            ) from None
        self._config.spec["dataset.split"] = split

    def _read_losses(self) -> None:
        used = self._list("model.losses_to_use")
        for name, loss in _LOSSES.items():
            if name not in used:
                continue
            prefix, fields = f"losses.{name}", {}
            log_weight = self._take(f"{prefix}.log_weight", _finite, f"losses.{loss}.weight")
            fields["weight"] = _weight(loss, log_weight) if log_weight is not None else 1.0
            self._config.losses[loss] = fields
        self._read_temporal()
        self._read_pca()

    def _read_temporal(self) -> None:
        temporal, path = self._config.losses.get("temporal"), "losses.temporal.epsilon"
        # A list has a value for each keypoint, which posefleet cannot distinguish.
        if temporal is not None and isinstance(self._values.get(path), int | float):
            temporal["epsilonPixels"] = self._take(path, round, "losses.temporal.epsilonPixels")

    def _read_pca(self) -> None:
        if (single := self._config.losses.get("pcaSingleView")) is not None:
            kept = self._take("losses.pca_singleview.components_to_keep", _finite, "losses.pcaSingleView.components")
            if kept is not None and kept < 1:
                single["explainedVariancePercent"] = max(1, round(100 * kept))
            elif kept is not None:
                single["components"] = int(kept)
            self._columns("data.columns_for_singleview_pca", "keypoints", "losses.pcaSingleView.keypoints")
        if (multi := self._config.losses.get("pcaMultiView")) is not None:
            kept = self._take("losses.pca_multiview.components_to_keep", int, "losses.pcaMultiView.components")
            if kept is not None:
                multi["components"] = kept
            self._columns("data.mirrored_column_matches", "views", "losses.pcaMultiView.views")

    def _columns(self, path: str, name: str, target: str) -> None:
        columns = self._take(path, list, target)
        if columns:
            self._config.columns[name] = columns

    def _is_of_a_loss_that_is_off(self, path: str) -> bool:
        unused = [name for name, loss in _LOSSES.items() if loss not in self._config.losses]
        return any(path.startswith(f"losses.{name}.") for name in unused) or (
            path in {"data.columns_for_singleview_pca", "data.mirrored_column_matches"}
        )


_SIDES = ("height", "width")


def _finite(value: Any) -> float:
    """Return a number; YAML reads ``1e-3`` as a text."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _share(value: Any) -> float:
    """Return a number of which the percentage is a number too."""
    share = _finite(value)
    if not math.isfinite(100 * share):
        raise ValueError
    return share


def _weight(loss: str, log_weight: float) -> float:
    """Return the factor of a loss that has the same share of the whole as with Lightning Pose's ``log_weight``."""
    # Torch takes seconds to import, and only these three numbers need it.
    from posefleet_trainer.losses.pca import MultiViewPcaLoss, SingleViewPcaLoss
    from posefleet_trainer.losses.temporal import TemporalLoss

    strengths = {
        "temporal": TemporalLoss.strength,
        "pcaSingleView": SingleViewPcaLoss.strength,
        "pcaMultiView": MultiViewPcaLoss.strength,
    }
    # No weight is larger than 1000, and exp fails far beyond it.
    weight = math.exp(min(100.0, -log_weight)) / strengths[loss]
    return min(1000.0, float(f"{weight:.2g}"))
