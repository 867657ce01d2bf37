"""Projects of DeepLabCut, as its own examples have them."""

from pathlib import Path

import pytest

from posefleet_trainer.dataset.prepared import skeleton_of
from posefleet_trainer.preparation.prepare import prepare
from posefleet_trainer.report.drawing import keypoint_style
from unit.trainer.dataset.projects import NO_LOSSES_ON_CLIPS, Point, ProjectFolder, a_context, labels_csv, refusal

CONFIG = """Task: Reaching
scorer: Mackenzie
multianimalproject:
video_sets:
  C:\\Users\\me\\reaching\\videos\\one.avi:
    crop: 0, 832, 0, 747
bodyparts:
- tail
- nose
- ear
skeleton: [['nose', 'tail'], ['nose', 'ear'], ['bodypart1', 'nose']]
"""
ONE: dict[str, list[Point]] = {
    f"labeled-data/one/img{number}.png": [(number + 1.0, 2.0), (3.0, number + 4.0)] for number in range(4)
}
TWO: dict[str, list[Point]] = {f"labeled-data/two/img{number}.png": [(5.0, 6.0), None] for number in range(3)}


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    """Two videos, whose labels have the body parts in different orders."""
    project = ProjectFolder(tmp_path / "project").with_file("config.yaml", CONFIG)
    for path in [*ONE, *TWO]:
        project.with_picture(path)
    project.with_labels("labeled-data/one/CollectedData_Mackenzie.csv", labels_csv(ONE, ("nose", "tail")))
    project.with_labels("labeled-data/two/CollectedData_Mackenzie.csv", labels_csv(TWO, ("tail", "nose")))
    return project.with_video("videos/one.avi").with_video("videos/two.MOV")


def test_labels_of_all_videos_are_joined_by_the_names_of_the_body_parts(folder: ProjectFolder, tmp_path: Path):
    folder.with_video("videos/oneDLC_resnet50_ReachingAug30shuffle1_1000_labeled.mp4")
    context = a_context(tmp_path, losses={})

    prepared = prepare(context)

    assert (prepared.format, prepared.keypoints, prepared.columns) == (
        "deepLabCut", ["tail", "nose"], ["tail", "nose", "ear"],
    )  # fmt: skip
    assert [frame.path for frame in prepared.frames] == [*ONE, *TWO]
    assert prepared.frames[1].points == [[3.0, 5.0], [2.0, 2.0]]
    assert prepared.frames[4].points == [[5.0, 6.0], None]
    assert [video.source.path for video in prepared.clip_videos] == ["videos/one.avi", "videos/two.MOV"]
    assert prepared.predict_videos == [video.model_copy() for video in prepared.clip_videos]
    assert context.progress.conclusion.startswith("7 labelled frames of 2 keypoints, 2 videos, format deepLabCut")
    never, left_out, pca = context.progress.report().warnings
    assert never.startswith("labeled-data/*/CollectedData_*.csv: no frame has a usable label of ear")
    assert left_out == (
        "videos with predictions drawn in are left out: videos/oneDLC_resnet50_ReachingAug30shuffle1_1000_labeled.mp4"
    )
    assert pca.startswith("losses.pcaSingleView is left out: losses.pcaSingleView needs at least 4 frames")


def test_occluded_keypoints_keep_their_names(folder: ProjectFolder, tmp_path: Path):
    text = "scorer,m,m,m,m,m,m\nbodyparts,nose,nose,nose,tail,tail,tail\ncoords,x,y,visible,x,y,visible\n"
    text += "".join(f"labeled-data/two/img{number}.png,,,1,3,4,2\n" for number in range(3))
    folder.with_file("labeled-data/two/CollectedData_Mackenzie.csv", text)
    prepared = prepare(a_context(tmp_path))
    assert prepared.keypoints == ["tail", "nose"]
    assert [frame.occluded for frame in prepared.frames[3:]] == [[], [1], [1], [1]]


def test_the_skeleton_of_the_project_is_drawn_unless_the_manifest_has_one(folder: ProjectFolder, tmp_path: Path):
    prepared = prepare(a_context(tmp_path))
    # ear is never labelled, and bodypart1 is a name of DeepLabCut's template.
    assert prepared.skeleton == [["nose", "tail"]]
    assert keypoint_style(prepared.keypoints, skeleton_of([], prepared)).skeleton == [(1, 0)]
    assert skeleton_of([[0, 1]], prepared) == [[0, 1]]


def test_patterns_of_the_manifest_select_videos_as_they_do_elsewhere(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path, dataset={"videos": ["videos/*.avi"]}, predict={"videos": ["videos/*.MOV"]})
    prepared = prepare(context)
    assert [video.source.path for video in prepared.clip_videos] == ["videos/one.avi"]
    assert [video.source.path for video in prepared.predict_videos] == ["videos/two.MOV"]


def test_a_project_without_videos_trains_on_its_frames(folder: ProjectFolder, tmp_path: Path):
    for name in ("one.avi", "two.MOV"):
        (tmp_path / "project/videos" / name).unlink()
    assert refusal(tmp_path).startswith("no file in s3://lab/project/ matches dataset.videos (videos/*.mp4), and the")
    context = a_context(tmp_path, losses=NO_LOSSES_ON_CLIPS)
    assert prepare(context).clip_videos == []
    assert context.progress.report().warnings[1].startswith("predict.videos: no file in")


def test_labels_of_parts_that_the_project_does_not_list_are_left_out(folder: ProjectFolder, tmp_path: Path):
    folder.with_file("config.yaml", CONFIG.replace("- tail\n", ""))
    context = a_context(tmp_path)
    assert prepare(context).keypoints == ["nose"]
    assert context.progress.report().warnings[0].startswith("labeled-data/*/CollectedData_*.csv: 3 of 7 frames have no")
    assert "labels of tail are left out, since bodyparts of config.yaml does not list them" in (
        context.progress.report().warnings
    )


def test_the_same_frame_labelled_in_two_files(folder: ProjectFolder, tmp_path: Path):
    folder.with_labels(
        "labeled-data/one/CollectedData_other.csv", labels_csv({"labeled-data/one/img2.png": [(1, 2)] * 2})
    )
    assert refusal(tmp_path) == (
        "labeled-data/one/CollectedData_Mackenzie.csv row 6 and labeled-data/one/CollectedData_other.csv row 4 both "
        "label labeled-data/one/img2.png; remove one of them"
    )


def test_a_missing_picture_is_named_with_its_file_and_row(folder: ProjectFolder, tmp_path: Path):
    (tmp_path / "project/labeled-data/two/img1.png").unlink()
    assert refusal(tmp_path).startswith("labeled-data/two/CollectedData_Mackenzie.csv row 5: labeled-data/two/img1.png")


def test_labels_that_exist_only_as_h5(folder: ProjectFolder, tmp_path: Path):
    csv = tmp_path / "project/labeled-data/two/CollectedData_Mackenzie.csv"
    csv.with_suffix(".h5").write_bytes(b"hdf")
    prepare(a_context(tmp_path, "both"))
    csv.unlink()
    assert refusal(tmp_path) == (
        "s3://lab/project/labeled-data/two/CollectedData_Mackenzie.h5 has no CollectedData_Mackenzie.csv beside it, "
        'and posefleet reads the CSV; write it in the project folder with: python -c "import pandas; '
        "pandas.read_hdf('labeled-data/two/CollectedData_Mackenzie.h5')"
        ".to_csv('labeled-data/two/CollectedData_Mackenzie.csv')\""
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            CONFIG.replace("multianimalproject:", "multianimalproject: true"),
            "sets multianimalproject: only one animal a",
        ),
        (CONFIG.replace("bodyparts:", "parts:"), "has no list bodyparts; upload the config.yaml of the DeepLabCut"),
        (
            "bodyparts: [paw, wing]",
            "lists the bodyparts paw, wing, and labeled-data/one/CollectedData_Mackenzie.csv labels",
        ),
        ("- a list", "is not the config.yaml of a DeepLabCut project; upload the project's own"),
        ("bodyparts: [nose", "is not YAML ("),
        ("[" * 5000, "is not YAML ("),
        ("#" * (2**20 + 1), "has more than 1 MiB; is it the right file?"),
    ],
)
def test_a_config_that_is_wrong_or_of_another_project(config: str, words: str, folder: ProjectFolder, tmp_path: Path):
    folder.with_file("config.yaml", config)
    said = refusal(tmp_path)
    assert said.startswith(f"s3://lab/project/config.yaml {words}")


def test_a_project_without_its_config(folder: ProjectFolder, tmp_path: Path):
    (tmp_path / "project/config.yaml").unlink()
    assert refusal(tmp_path) == ("s3://lab/project/config.yaml does not exist; upload the whole DeepLabCut project")


def test_a_folder_without_labels_that_is_named_deeplabcut(folder: ProjectFolder, tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / f"project/labeled-data/{name}/CollectedData_Mackenzie.csv").unlink()
    said = refusal(tmp_path, dataset={"format": "deepLabCut"})
    assert said == ("s3://lab/project/ has no labeled-data/*/CollectedData_*.csv; upload the whole DeepLabCut project")
