import time
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posefleet_trainer.dataset.project import matches, select_paths, wants_clips
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.preparation.prepare import prepare
from unit.trainer.dataset.projects import NO_LOSSES_ON_CLIPS, ProjectFolder, a_context, refusal
from unit.trainer.video.recordings import Recording


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
@example(["**"], 0)
def test_hostile_patterns_end_soon(segments: list[str], depth: int):
    path = "/".join(["ab"] * (depth + 1))
    found = matches(path, "/".join(["**", *segments, "**", *segments]))
    # All folders of the path are equal, so only their number and each segment's own match decide.
    named = [segment for segment in segments if segment != "**"]
    assert found is (2 * len(named) <= depth + 1 and all(fnmatchcase("ab", segment) for segment in named))


def test_a_pattern_of_many_double_stars_is_refuted_in_time_that_grows_with_its_length_alone():
    path, pattern = "/".join(["ab"] * 200), "/".join(["**", "a*"] * 60 + ["c"])
    started = time.process_time()
    assert matches(path, pattern) is False
    assert time.process_time() - started < 2


def test_each_file_is_selected_once_and_idle_patterns_are_told():
    files = ["videos/b.mp4", "videos/a.mp4", "c.csv"]
    assert select_paths(files, ["videos/*.mp4", "videos/a*", "*.avi"]) == (["videos/a.mp4", "videos/b.mp4"], ["*.avi"])


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project").with_frames(6).with_video()


def test_folder_that_is_empty_or_missing(tmp_path: Path):
    assert refusal(tmp_path) == "s3://lab/project/ has no files; upload the project there or correct dataset.uri"


def test_missing_labels_file_lists_what_is_there(folder: ProjectFolder, tmp_path: Path):
    said = refusal(tmp_path, dataset={"labels": "Labels.csv"})
    assert said.startswith("s3://lab/project/Labels.csv does not exist; the folder has CollectedData.csv; upload it")


def test_labels_with_a_mistake(folder: ProjectFolder, tmp_path: Path):
    folder.rows["labeled-data/img02.png"][0] = ("left", 2.0)
    folder.with_labels()
    assert "CollectedData.csv row 6 (labeled-data/img02.png), column nose.x: 'left' is not a number" in refusal(
        tmp_path
    )


def test_new_labels_with_other_keypoints(folder: ProjectFolder, tmp_path: Path):
    text = (tmp_path / "project/CollectedData.csv").read_text().replace("tail", "ear")
    folder.with_file("CollectedData_new.csv", text)
    assert "CollectedData_new.csv has other keypoints than CollectedData.csv" in refusal(tmp_path)


def test_frames_that_train_and_are_out_of_distribution(folder: ProjectFolder, tmp_path: Path):
    new = ProjectFolder(tmp_path / "project", {f"labeled-data/img0{number}.png": [None, None] for number in range(3)})
    new.with_labels("CollectedData_new.csv")
    prepare(a_context(tmp_path, "unlabelled"))
    for number in (1, 2):
        new.rows[f"labeled-data/img0{number}.png"] = [(1.0, 2.0), None]
    new.with_labels("CollectedData_new.csv")
    context = a_context(tmp_path)
    with pytest.raises(InvalidInput) as refused:
        prepare(context)
    assert str(refused.value) == (
        "CollectedData_new.csv row 5: labeled-data/img01.png is labelled in CollectedData.csv row 5 too (and 1 more "
        "rows), and a frame that is evaluated apart may be in no other set; remove it from one of the two files"
    )


def test_labelled_frame_without_its_picture(folder: ProjectFolder, tmp_path: Path):
    for number in (3, 5):
        (tmp_path / f"project/labeled-data/img0{number}.png").unlink()
    assert refusal(tmp_path) == (
        "CollectedData.csv row 7: labeled-data/img03.png does not exist in s3://lab/project/ (and 1 more rows); "
        "upload it or remove the row"
    )


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        (NO_LOSSES_ON_CLIPS, False),
        ({}, True),
        ({**NO_LOSSES_ON_CLIPS, "temporal": {"weight": 1}}, True),
        ({**NO_LOSSES_ON_CLIPS, "pcaSingleView": {"weight": 1}}, True),
        ({**NO_LOSSES_ON_CLIPS, "pcaMultiView": {"views": [["a"], ["b"]]}}, True),
        ({**NO_LOSSES_ON_CLIPS, "unimodal": {"weight": 1}}, True),
    ],
)
def test_any_unsupervised_loss_wants_clips(losses: dict[str, object], expected: bool, tmp_path: Path):
    assert wants_clips(a_context(tmp_path, losses=losses).job.spec) is expected


def test_no_video_though_an_unsupervised_loss_asks_for_some(folder: ProjectFolder, tmp_path: Path):
    said = refusal(tmp_path, dataset={"videos": ["films/*.mp4"]})
    assert said.startswith("no file in s3://lab/project/ matches dataset.videos (films/*.mp4)")
    assert said.endswith("or set the weight of losses.temporal and losses.pcaSingleView to 0")


def test_pattern_of_predict_videos_without_a_match_is_a_warning(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path, predict={"videos": ["other/*.mp4"]})
    assert prepare(context).predict_videos == []
    assert "predict.videos: no file in" in context.progress.report().warnings[0]


def test_videos_whose_results_would_overwrite_each_other(folder: ProjectFolder, tmp_path: Path):
    for name in ("a_b/c.mp4", "a/b_c.mp4", "c.mp4", "b_c.mp4"):
        folder.with_video(f"new/{name}")
    assert refusal(tmp_path, predict={"videos": ["new/**"]}) == (
        "the results of new/a/b_c.mp4 and new/a_b/c.mp4 would both be written to new_a_b_c_mp4.csv; rename one of the "
        "videos, or predict them in two jobs"
    )


def test_a_video_with_a_rotation_is_refused_with_the_command_that_turns_it(folder: ProjectFolder, tmp_path: Path):
    folder.with_video("videos/turned.mp4", Recording(frames=5, rotation=90))
    said = refusal(tmp_path)
    assert said.startswith("s3://lab/project/videos/turned.mp4 carries a rotation of 90 degrees")
    assert said.endswith("turn the pictures themselves with: ffmpeg -i in.mp4 -c:v libx264 -crf 17 out.mp4")
