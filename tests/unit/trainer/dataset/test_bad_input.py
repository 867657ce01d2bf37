"""What prepare refuses, and in which words."""

from pathlib import Path

import pytest

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.preparation.prepare import prepare
from unit.trainer.dataset.projects import ProjectFolder, a_context
from unit.trainer.video.recordings import Recording


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project").with_frames(6).with_video()


def refusal(root: Path, cache_bytes: int = 10**9, **spec: object) -> str:
    context = a_context(root, cache_bytes=cache_bytes, **spec)
    with pytest.raises(InvalidInput) as refused:
        prepare(context)
    assert context.prepared.find("prepared.json") is None
    assert context.output.find("prepared.json") is None
    return str(refused.value).replace(f"file://{root}/", "s3://lab/")


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
        "CollectedData_new.csv row 5: labeled-data/img01.png is labelled in CollectedData.csv too (and 1 more rows), "
        "so that it would train and count as out-of-distribution; remove it from one of the two files"
    )


def test_labelled_frame_without_its_picture(folder: ProjectFolder, tmp_path: Path):
    for number in (3, 5):
        (tmp_path / f"project/labeled-data/img0{number}.png").unlink()
    assert refusal(tmp_path) == (
        "CollectedData.csv row 7: labeled-data/img03.png does not exist in s3://lab/project/ (and 1 more rows); "
        "upload it or remove the row"
    )


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


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "s3://lab/project/videos/b.mp4 has 0 bytes; upload it again"),
        (b"some text\n" * 9, "s3://lab/project/videos/b.mp4 is text, not a video; replace it"),
        (bytes(range(256)) * 9, "s3://lab/project/videos/b.mp4 is not a video, or damaged"),
    ],
)
def test_file_that_is_no_video(folder: ProjectFolder, tmp_path: Path, content: bytes, words: str):
    folder.with_file("videos/b.mp4", content)
    assert refusal(tmp_path).startswith(words)


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_truncated_video(folder: ProjectFolder, tmp_path: Path, options: dict[str, str]):
    path = Recording(container_options=options).save(tmp_path / "whole.mp4")
    content = path.read_bytes()
    path.unlink()
    folder.with_file("videos/b.mp4", content[: len(content) * 2 // 3])
    assert refusal(tmp_path).startswith("s3://lab/project/videos/b.mp4 is truncated")


def test_no_video_though_an_unsupervised_loss_asks_for_some(folder: ProjectFolder, tmp_path: Path):
    said = refusal(tmp_path, dataset={"videos": ["films/*.mp4"]})
    assert said.startswith("no file in s3://lab/project/ matches dataset.videos (films/*.mp4)")
    assert said.endswith("write losses: {}")


def test_no_video_as_long_as_a_clip(folder: ProjectFolder, tmp_path: Path):
    said = refusal(tmp_path, training={"clipLength": 21})
    assert "the longest has 20 frames and training.clipLength is 21" in said


def test_video_larger_than_the_cache(folder: ProjectFolder, tmp_path: Path):
    said = refusal(tmp_path, cache_bytes=100)
    assert said.startswith("s3://lab/project/videos/a.mp4 has ")
    assert "raise resources.cachePerNode" in said


def test_fewer_labelled_rows_than_pca_needs(tmp_path: Path):
    ProjectFolder(tmp_path / "project").with_frames(4).with_video()
    said = refusal(tmp_path, losses={"pcaSingleView": {}}, dataset={"split": {"validation": 0.25, "test": 0}})
    assert said.startswith(
        "losses.pcaSingleView needs at least 4 frames with all its keypoints labelled among the training frames, "
        "and there are 3; label more frames"
    )


@pytest.mark.parametrize("loss", ["pcaSingleView", "pcaMultiView"])
def test_videos_of_another_size_than_the_frames_that_pca_was_fitted_on(loss: str, tmp_path: Path):
    ProjectFolder(tmp_path / "project").with_frames(6, size=(48, 64)).with_video()
    losses = {loss: {"views": [["nose"], ["tail"]]} if loss == "pcaMultiView" else {}}
    said = refusal(tmp_path, losses=losses)
    assert said.startswith(f"labeled-data/img00.png has 64x48 pixels and videos/a.mp4 128x96, and losses.{loss} would")
    assert said.endswith(f"leave out those of another size, or remove losses.{loss}")


def test_frames_of_several_sizes_that_pca_would_be_fitted_on(folder: ProjectFolder, tmp_path: Path):
    folder.with_frames(1, size=(90, 50))
    said = refusal(tmp_path, losses={"pcaSingleView": {}})
    assert said.startswith("labeled-data/img00.png has 128x96 pixels and labeled-data/img06.png 50x90, and losses.pca")


def test_keypoints_that_do_not_exist(folder: ProjectFolder, tmp_path: Path):
    said = refusal(tmp_path, dataset={"skeleton": [["nose", "ear"]]})
    assert said == "dataset.skeleton names keypoint 'ear'; the labels have nose, tail"
    said = refusal(tmp_path, losses={"pcaSingleView": {"keypoints": [7]}})
    assert said == "losses.pcaSingleView.keypoints names keypoint 7; the labels have numbers 0 to 1"


def test_weights_and_checkpoints_that_do_not_exist(folder: ProjectFolder, tmp_path: Path):
    said = refusal(tmp_path, model={"weights": f"file://{tmp_path}/w.pth"})
    assert said == "model.weights: s3://lab/w.pth does not exist; upload it or correct the URI"
    said = refusal(tmp_path, checkpoint={"resumeFrom": f"file://{tmp_path}/c.ckpt"})
    assert said.startswith("checkpoint.resumeFrom: s3://lab/c.ckpt does not exist")


def test_output_that_cannot_be_written(folder: ProjectFolder, tmp_path: Path):
    (tmp_path / "out").write_text("a file is in the way")
    context = a_context(tmp_path)
    with pytest.raises(InvalidInput, match=r"out/job/"):
        prepare(context)
