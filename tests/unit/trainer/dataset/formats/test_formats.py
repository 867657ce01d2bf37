"""The choice of the reader of a project folder."""

from pathlib import Path

import pytest

from posefleet_api.dataset import Dataset
from posefleet_trainer.dataset.formats import FORMATS, read_labels
from posefleet_trainer.dataset.formats.labels import LabelRow
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.folder import FolderStore
from unit.trainer.dataset.projects import labels_csv

CSV = labels_csv({"labeled-data/v/a.png": [(1.5, 2.0), None]})
CONFIG = "bodyparts: [nose, tail]\n"
DEEPLABCUT = {"config.yaml": CONFIG, "labeled-data/v/CollectedData_me.csv": CSV}


def read(folder: Path, files: dict[str, str], **dataset: str) -> str:
    """Write the files and return the format that they are read as."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    store = FolderStore(folder)
    listing = {stored.key: stored for stored in store.list()}
    return read_labels(store, listing, Dataset(uri="file:///data/", **dataset)).format


@pytest.mark.parametrize(
    ("files", "chosen", "expected"),
    [
        ({"CollectedData.csv": CSV}, {}, "lightningPose"),
        (DEEPLABCUT, {}, "deepLabCut"),
        ({**DEEPLABCUT, "CollectedData.csv": CSV}, {}, "lightningPose"),
        ({**DEEPLABCUT, "CollectedData.csv": CSV}, {"format": "deepLabCut"}, "deepLabCut"),
        (DEEPLABCUT, {"labels": "labeled-data/v/CollectedData_me.csv"}, "lightningPose"),
    ],
)
def test_the_files_of_the_folder_choose_the_format_unless_the_manifest_names_one(
    files: dict[str, str], chosen: dict[str, str], expected: str, tmp_path: Path
):
    assert read(tmp_path, files, **chosen) == expected


def test_a_folder_of_no_known_format_is_refused_as_lightning_pose_does(tmp_path: Path):
    with pytest.raises(InvalidInput, match=r"CollectedData.csv does not exist; the folder has Labels.csv; upload it"):
        read(tmp_path, {"Labels.csv": CSV, "sub/Other.csv": CSV})


def test_a_named_format_is_not_looked_for(tmp_path: Path):
    with pytest.raises(InvalidInput, match=r"CollectedData.csv does not exist"):
        read(tmp_path, DEEPLABCUT, format="lightningPose")
    assert [known.name for known in FORMATS] == ["lightningPose", "deepLabCut"]


def test_a_row_is_labelled_if_any_point_is():
    assert LabelRow("a.csv", 4, "a.png", (None, (0.0, 0.0))).is_labelled
    assert not LabelRow("a.csv", 4, "a.png", (None, None), frozenset({0})).is_labelled
