"""Labelled frames that are dropped, and pictures that are refused."""

from pathlib import Path

import pytest

from posefleet_trainer.preparation.prepare import prepare
from unit.trainer.dataset.projects import KEYPOINTS, ProjectFolder, a_context, refusal


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


def test_test_labels_are_a_set_of_their_own(folder: ProjectFolder, tmp_path: Path):
    other = ProjectFolder(tmp_path / "project").with_picture("labeled-data/other.png")
    other.rows["labeled-data/other.png"] = [(1.0, 2.0), None]
    other.with_labels("CollectedData_test.csv")
    context = a_context(tmp_path)
    frames = prepare(context).frames
    assert [frame.path for frame in frames if frame.set == "heldOut"] == ["labeled-data/other.png"]
    assert context.progress.conclusion.startswith("6 labelled frames of 2 keypoints, 1 held-out, 1 video, format")


def test_occluded_keypoints_reach_the_prepared_data(folder: ProjectFolder, tmp_path: Path):
    text = "scorer,me,me,me,me,me,me\nbodyparts,nose,nose,nose,tail,tail,tail\ncoords,x,y,visible,x,y,visible\n"
    rows = ["3,4,2,5,6,2", "3,4,2,,,1", "3,4,2,,,0", ",,1,,,1"]
    text += "".join(f"labeled-data/img0{number}.png,{row}\n" for number, row in enumerate(rows))
    folder.with_labels(text=text)
    frames = prepare(a_context(tmp_path)).frames
    # The last frame has no label with a place, so that nothing can be learned from it.
    assert [(frame.points[1], frame.occluded) for frame in frames] == [([5.0, 6.0], []), (None, [1]), (None, [])]


@pytest.mark.parametrize("name", ["nose", "tail"])
def test_keypoint_that_is_never_labelled_is_left_out(name: str, folder: ProjectFolder, tmp_path: Path):
    number = KEYPOINTS.index(name)
    for points in folder.rows.values():
        points[number] = None
    folder.with_labels()
    context = a_context(tmp_path, losses={})
    prepared = prepare(context)
    (kept,) = set(KEYPOINTS) - {name}
    assert (prepared.keypoints, prepared.columns) == ([kept], list(KEYPOINTS))
    first = folder.rows["labeled-data/img00.png"][1 - number]
    assert first is not None
    assert prepared.frames[0].points == [list(first)]
    (warning,) = context.progress.report().warnings
    assert warning == f"CollectedData.csv: no frame has a usable label of {name}, so that it is not trained"


def test_frames_that_label_only_keypoints_that_are_not_trained_are_left_out(folder: ProjectFolder, tmp_path: Path):
    for points in folder.rows.values():
        points[1] = None
    folder.with_labels()
    new = ProjectFolder(tmp_path / "project").with_picture("labeled-data/new.png")
    new.rows["labeled-data/new.png"] = [None, (1.0, 2.0)]
    new.with_labels("CollectedData_new.csv")
    prepared = prepare(a_context(tmp_path))
    assert prepared.keypoints == ["nose"]
    assert {frame.set for frame in prepared.frames} == {"labelled"}
