import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.dataset.project import matches, select_paths


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("videos/a.mp4", "videos/*.mp4", True),
        ("videos/b/a.mp4", "videos/*.mp4", False),
        ("videos/b/a.mp4", "videos/**/*.mp4", True),
        ("videos/a.mp4", "videos/**/*.mp4", True),
        ("videos/b/c/a.mp4", "**/a.mp4", True),
        ("videos/b/c/a.mp4", "videos/**", True),
        ("videos/a.MP4", "videos/*.mp4", False),
        ("videos/a.avi", "videos/*.[am][vp][i4]", True),
        ("a.mp4", "a.mp4", True),
        ("xa.mp4", "a.mp4", False),
    ],
)
def test_stars_stay_within_a_folder_unless_doubled(path: str, pattern: str, expected: bool):
    assert matches(path, pattern) is expected


@given(st.lists(st.text(alphabet="ab*?[", min_size=1, max_size=3), min_size=1, max_size=6), st.integers(0, 40))
def test_hostile_patterns_end_soon(segments: list[str], depth: int):
    matches("/".join(["ab"] * (depth + 1)), "/".join(["**", *segments, "**", *segments]))


def test_each_file_is_selected_once_and_idle_patterns_are_told():
    files = ["videos/b.mp4", "videos/a.mp4", "c.csv"]
    assert select_paths(files, ["videos/*.mp4", "videos/a*", "*.avi"]) == (["videos/a.mp4", "videos/b.mp4"], ["*.avi"])
