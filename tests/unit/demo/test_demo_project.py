"""Views of an animal, read from the names of its keypoints."""

from pathlib import Path

from posefleet_demo.project import keypoints_of, views_by_name


def test_body_parts_seen_in_two_views_are_matched():
    names = ["paw1_top", "paw2_top", "nose_top", "obs_top", "nose_bot", "paw1_bot", "paw2_bot"]
    assert views_by_name(names) == [["paw1_top", "paw2_top", "nose_top"], ["paw1_bot", "paw2_bot", "nose_bot"]]


def test_left_and_right_are_no_views():
    assert views_by_name(["paw_left", "ear_left", "eye_left", "paw_right", "ear_right", "eye_right"]) == []


def test_two_shared_names_are_a_coincidence():
    assert views_by_name(["a_top", "b_top", "a_bot", "b_bot"]) == []


def test_keypoints_are_read_from_the_second_row(tmp_path: Path):
    labels = tmp_path / "CollectedData.csv"
    labels.write_text("scorer,me,me,me,me\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n")
    assert keypoints_of(labels) == ["nose", "tail"]
