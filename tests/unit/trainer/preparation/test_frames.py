"""Labelled frames that are dropped, and pictures that are refused."""

from pathlib import Path

import pytest

from posefleet_trainer.preparation.prepare import prepare
from unit.trainer.dataset.projects import ProjectFolder, a_context, refusal


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project").with_frames(6).with_video()


def test_no_usable_label_at_all(folder: ProjectFolder, tmp_path: Path):
    for points in folder.rows.values():
        points[:] = [None, (1000.0, 1000.0)]
    folder.with_labels()
    assert "none of its 6 rows has a label inside its frame; label some frames" in refusal(tmp_path)


def test_labels_without_rows(folder: ProjectFolder, tmp_path: Path):
    folder.rows.clear()
    folder.with_labels()
    assert "none of its 0 rows has a label" in refusal(tmp_path)


def test_picture_that_is_none(folder: ProjectFolder, tmp_path: Path):
    folder.with_file("labeled-data/img04.png", b"not a picture")
    assert refusal(tmp_path).startswith("s3://lab/project/labeled-data/img04.png cannot be read as a picture")


def test_new_labels_are_out_of_distribution(folder: ProjectFolder, tmp_path: Path):
    new = ProjectFolder(tmp_path / "project").with_picture("labeled-data/new.png")
    new.rows["labeled-data/new.png"] = [(1.0, 2.0), None]
    new.with_labels("CollectedData_new.csv")
    frames = prepare(a_context(tmp_path)).frames
    assert [frame.path for frame in frames if frame.set == "outOfDistribution"] == ["labeled-data/new.png"]
    assert len(frames) == 7


def test_labels_outside_their_frame_are_dropped_counted_and_told(folder: ProjectFolder, tmp_path: Path):
    folder.rows["labeled-data/img01.png"] = [(128.0, 3.0), (-0.5, 95.5)]
    folder.rows["labeled-data/img02.png"][0] = (3.0, -2.0)
    folder.with_labels()
    context = a_context(tmp_path)

    prepared = prepare(context)

    assert prepared.frames[1].points == [None, [-0.5, 95.5]]
    (warning,) = context.progress.report().warnings
    assert "dropped 2 label(s) outside their frames" in warning
    assert "row 5 (labeled-data/img01.png) nose at (128, 3) of 128x96" in warning


def test_frames_without_labels_are_dropped_and_need_no_picture(folder: ProjectFolder, tmp_path: Path):
    folder.rows["labeled-data/lost.png"] = [None, None]
    folder.with_labels()
    context = a_context(tmp_path)
    assert len(prepare(context).frames) == 6
    assert "1 of 7 frames have no usable label" in context.progress.report().warnings[0]


def test_keypoint_that_is_never_labelled_is_told(folder: ProjectFolder, tmp_path: Path):
    for points in folder.rows.values():
        points[1] = None
    folder.with_labels()
    context = a_context(tmp_path)
    prepare(context)
    assert "no frame has a usable label of tail" in context.progress.report().warnings[0]
