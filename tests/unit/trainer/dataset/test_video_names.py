"""The names of the results of videos."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.dataset.video_names import RESULT_SUFFIXES, check_video_names, video_names
from posefleet_trainer.errors import InvalidInput


def refused(paths: list[str]) -> bool:
    try:
        check_video_names(paths)
    except InvalidInput:
        return True
    return False


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (
            ["a_b/c.mp4", "a/b_c.mp4", "c.mp4", "b_c.mp4"],
            "a_b/c.mp4 and a/b_c.mp4 would both be written to a_b_c_mp4.csv",
        ),
        (
            ["run.mp4", "run_temporal_norm.mp4"],
            "run.mp4 and run_temporal_norm.mp4 would both be written to run_temporal_",
        ),
        (["x/a.mp4", "y/a.mp4", "x_a_mp4.avi"], "x/a.mp4 and x_a_mp4.avi would both be written to x_a_mp4.csv"),
    ],
)
def test_results_that_would_overwrite_each_other_are_refused(paths: list[str], words: str):
    with pytest.raises(InvalidInput) as refusal:
        check_video_names(paths)
    assert words in str(refusal.value)
    assert str(refusal.value).endswith("rename one of the videos, or predict them in two jobs")


def test_videos_in_several_folders_and_containers_are_fine():
    check_video_names(["a_b/c.mp4", "a/b_c.mp4", "monday/cam.mp4", "tuesday/cam.mp4", "tuesday/cam.avi"])


@given(st.lists(st.text("ab_/", min_size=1, max_size=5).map(lambda text: f"x{text}x.mp4"), unique=True, max_size=6))
def test_videos_are_refused_exactly_if_two_results_have_one_name(paths: list[str]):
    paths = [path for path in paths if "//" not in path]
    results = [f"{name}{suffix}" for name in video_names(paths) for suffix in RESULT_SUFFIXES]
    assert refused(paths) == (len(set(results)) < len(results))
