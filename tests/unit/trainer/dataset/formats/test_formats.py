"""The choice of the reader of a labels file."""

import pytest

from posefleet_trainer.dataset.formats import LabelFormat, may_be_labels, read_labels
from posefleet_trainer.dataset.formats.labels import LabelRow, LabelTable
from posefleet_trainer.dataset.formats.lightning_pose import parse_lightning_pose
from posefleet_trainer.errors import InvalidInput
from unit.trainer.dataset.projects import labels_csv

CSV = labels_csv({"labeled-data/a.png": [(1.5, 2.0), None]}).encode()


def a_format(title: str, *suffixes: str, start: bytes = b"") -> LabelFormat:
    """A format whose files begin with ``start``, and whose reader returns a table with its title as a keypoint."""
    return LabelFormat(
        suffixes, lambda content, name: LabelTable(name, (title,), ()), lambda content: content.startswith(start)
    )


def test_labels_of_a_project_are_read_by_the_reader_of_lightning_pose():
    assert read_labels(CSV, "Labels.csv") == parse_lightning_pose(CSV, "Labels.csv")


def test_a_file_of_no_known_format_is_refused_as_the_first_format_does():
    with pytest.raises(InvalidInput, match=r"Labels.txt row 1 begins with 'x', not scorer"):
        read_labels(b"x\n", "Labels.txt")
    assert read_labels(CSV, "Labels.txt").keypoints == ("nose", "tail")


@pytest.mark.parametrize(
    ("name", "content", "title"),
    [
        ("a.csv", b"x", "first"),
        ("a.json", b"{}", "second"),
        ("a.json", b"[]", "third"),
        ("a.slp", b"[]", "third"),
        ("a.json", b"x", "first"),
        ("a.txt", b"{}", "first"),
    ],
)
def test_suffix_and_content_choose_the_format(name: str, content: bytes, title: str):
    formats = (
        a_format("first", ".csv"),
        a_format("second", ".json", start=b"{"),
        a_format("third", ".json", ".slp", start=b"["),
    )
    assert read_labels(content, name, formats) == LabelTable(name, (title,), ())


def test_files_that_may_be_labels_are_known_by_their_suffix():
    assert may_be_labels("CollectedData.csv")
    assert not may_be_labels("videos/a.mp4")


def test_a_row_is_labelled_if_any_point_is():
    assert LabelRow(4, "a.png", (None, (0.0, 0.0))).is_labelled
    assert not LabelRow(4, "a.png", (None, None)).is_labelled
