"""The reader of Lightning Pose projects with one view: ``CollectedData.csv`` and the labels beside it."""

from pathlib import PurePosixPath

from posefleet_api.dataset import Dataset
from posefleet_trainer.dataset.formats.labels import LabelTable, Listing, ProjectLabels
from posefleet_trainer.dataset.formats.labels_csv import parse_labels_csv
from posefleet_trainer.dataset.prepared import FrameSet
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store

_SHOWN_NAMES = 5
#: What Lightning Pose appends to the name of the labels for sets that are only evaluated.
_SUFFIXES: dict[FrameSet, str] = {"labelled": "", "outOfDistribution": "_new", "heldOut": "_test"}


def is_lightning_pose(files: Listing, dataset: Dataset) -> bool:
    """Return whether the folder has the labels file of the manifest."""
    return dataset.labels in files


def read_lightning_pose(store: Store, files: Listing, dataset: Dataset) -> ProjectLabels:
    """Read the labels file of the manifest, and those beside it with ``_new`` and ``_test`` in their names.

    Raises:
        InvalidInput: a file is missing or wrong, or the files have different keypoints.
    """
    if dataset.labels not in files:
        raise InvalidInput(_missing(store, files, dataset.labels))
    tables: dict[FrameSet, LabelTable] = {}
    for frame_set, suffix in _SUFFIXES.items():
        name = _beside(dataset.labels, suffix)
        if name in files:
            tables[frame_set] = parse_labels_csv(store.read(name), name)
    labels = tables["labelled"]
    for table in tables.values():
        if table.keypoints != labels.keypoints:
            raise InvalidInput(
                f"{store.uri}{table.name} has other keypoints than {labels.name}; both need the same, in the same order"
            )
    return ProjectLabels("lightningPose", tables, files=tuple(table.name for table in tables.values()))


def _beside(name: str, suffix: str) -> str:
    """Return the name of other labels: ``CollectedData.csv`` and ``_new`` give ``CollectedData_new.csv``."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}{suffix}{path.suffix}"))


def _missing(store: Store, files: Listing, name: str) -> str:
    candidates = sorted(key for key in files if key.endswith(".csv") and "/" not in key)
    hint = f"; the folder has {', '.join(candidates[:_SHOWN_NAMES])}" if candidates else ""
    return f"{store.uri}{name} does not exist{hint}; upload it or correct dataset.labels"
