"""The reader of DeepLabCut projects with one animal: ``config.yaml`` and ``labeled-data/*/CollectedData_*.csv``.

DeepLabCut writes the labels of each video into the folder of its frames, as a CSV and as an H5 file with the same
content. The CSV files are read and joined. As in DeepLabCut, ``bodyparts`` of ``config.yaml`` decides which keypoints
there are, and in which order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import yaml

from posefleet_api.dataset import Dataset
from posefleet_trainer.dataset.formats.labels import LabelRow, LabelTable, Listing, ProjectLabels
from posefleet_trainer.dataset.formats.labels_csv import parse_labels_csv, refuse_duplicates
from posefleet_trainer.dataset.formats.recordings import recordings
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store

_CONFIG = "config.yaml"
_MAX_CONFIG_BYTES = 2**20
_LABELS = "labeled-data/*/CollectedData_*"
_SHOWN = 3


@dataclass(frozen=True)
class _Config:
    """What is read of ``config.yaml``."""

    bodyparts: tuple[str, ...]
    skeleton: tuple[tuple[str, str], ...]


def is_deeplabcut(files: Listing, dataset: Dataset) -> bool:
    """Return whether the folder has labels where DeepLabCut writes them."""
    del dataset
    return any(_label_files(files, suffix) for suffix in (".csv", ".h5"))


def read_deeplabcut(store: Store, files: Listing, dataset: Dataset) -> ProjectLabels:
    """Join the labels of all videos of a DeepLabCut project.

    Raises:
        InvalidInput: the project is one of several animals; ``config.yaml`` is missing, damaged, or lists no body part
            that is labelled; there are no labels, or only as H5; two rows label the same frame.
    """
    del dataset
    config = _read_config(store, files)
    names = _label_files(files, ".csv")
    _refuse_h5_alone(store, files, names)
    tables = [parse_labels_csv(store.read(name), name) for name in names]
    labels, warnings = _joined(store, tables, config)
    videos, left_out = recordings(files)
    if left_out:
        warnings.append(f"videos with predictions drawn in are left out: {_shown(left_out)}")
    skeleton = tuple(pair for pair in config.skeleton if all(part in labels.keypoints for part in pair))
    return ProjectLabels(
        "deepLabCut",
        {"labelled": labels},
        files=(_CONFIG, *names),
        videos=tuple(videos),
        skeleton=skeleton,
        warnings=tuple(warnings),
    )


def _label_files(files: Listing, suffix: str) -> list[str]:
    """Return the labels files, which lie two folders deep."""
    return sorted(path for path in files if path.count("/") == 2 and fnmatchcase(path, f"{_LABELS}{suffix}"))


def _refuse_h5_alone(store: Store, files: Listing, names: Sequence[str]) -> None:
    stems = {name.removesuffix(".csv") for name in names}
    for table in _label_files(files, ".h5"):
        stem = table.removesuffix(".h5")
        if stem not in stems:
            raise InvalidInput(
                f"{store.uri}{table} has no {PurePosixPath(stem).name}.csv beside it, and posefleet reads the CSV; "
                f'write it in the project folder with: python -c "import pandas; '
                f"pandas.read_hdf('{table}').to_csv('{stem}.csv')\""
            )
    if not names:
        raise InvalidInput(f"{store.uri} has no {_LABELS}.csv; upload the whole DeepLabCut project")


def _read_config(store: Store, files: Listing) -> _Config:
    name = f"{store.uri}{_CONFIG}"
    if _CONFIG not in files:
        raise InvalidInput(f"{name} does not exist; upload the whole DeepLabCut project")
    if files[_CONFIG].size_bytes > _MAX_CONFIG_BYTES:
        raise InvalidInput(f"{name} has more than {_MAX_CONFIG_BYTES // 2**20} MiB; is it the right file?")
    try:
        config = yaml.safe_load(store.read(_CONFIG))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = str(getattr(error, "problem_mark", None) or error).strip()
        raise InvalidInput(f"{name} is not YAML ({line}); correct it") from None
    if not isinstance(config, Mapping):
        raise InvalidInput(f"{name} is not the config.yaml of a DeepLabCut project; upload the project's own")
    if config.get("multianimalproject"):
        raise InvalidInput(
            f"{name} sets multianimalproject: only one animal a frame can be trained; export the labels of one animal "
            "as a project of their own"
        )
    bodyparts = config.get("bodyparts")
    if not _is_list_of_names(bodyparts) or not bodyparts:
        raise InvalidInput(f"{name} has no list bodyparts; upload the config.yaml of the DeepLabCut project")
    return _Config(tuple(bodyparts), _skeleton(config.get("skeleton")))


def _is_list_of_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _skeleton(value: Any) -> tuple[tuple[str, str], ...]:
    """Return the pairs of the skeleton; a longer chain of body parts is a pair for each of its lines."""
    chains = value if isinstance(value, list) else []
    return tuple((first, second) for chain in chains if _is_list_of_names(chain) for first, second in pairwise(chain))


def _joined(store: Store, tables: Sequence[LabelTable], config: _Config) -> tuple[LabelTable, list[str]]:
    """Return one table with the body parts of ``config``, and warnings about others."""
    named = {keypoint for table in tables for keypoint in table.keypoints}
    if not named & set(config.bodyparts):
        raise InvalidInput(
            f"{store.uri}{_CONFIG} lists the bodyparts {_shown(config.bodyparts)}, and {tables[0].name} labels "
            f"{_shown(tables[0].keypoints)}; upload the config.yaml of this project"
        )
    warnings = [warning for table in tables for warning in table.warnings]
    if others := sorted(named - set(config.bodyparts)):
        warnings.append(f"labels of {_shown(others)} are left out, since bodyparts of {_CONFIG} does not list them")
    rows = [_rearranged(row, table.keypoints, config.bodyparts) for table in tables for row in table.rows]
    refuse_duplicates(rows)
    return LabelTable(f"{_LABELS}.csv", config.bodyparts, tuple(rows)), warnings


def _rearranged(row: LabelRow, keypoints: Sequence[str], wanted: Sequence[str]) -> LabelRow:
    points = dict(zip(keypoints, row.points, strict=True))
    occluded = {keypoints[number] for number in row.occluded}
    return LabelRow(
        row.file,
        row.line,
        row.path,
        tuple(points.get(name) for name in wanted),
        frozenset(number for number, name in enumerate(wanted) if name in occluded),
    )


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
