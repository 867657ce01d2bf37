"""Manifests that do not fit their prepared data."""

from pathlib import Path

import pytest
import torch

from posefleet_trainer.dataset.pose_subspaces import fit_pose_spaces
from posefleet_trainer.errors import StoreUnreachable
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.network import PoseNetwork
from posefleet_trainer.preparation import checks
from posefleet_trainer.preparation.prepare import prepare
from unit.trainer.dataset.projects import ProjectFolder, a_context, refusal
from unit.trainer.models.hub_stub import hub_server


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project").with_frames(6).with_video()


def test_no_video_as_long_as_a_clip(folder: ProjectFolder, tmp_path: Path):
    said = refusal(tmp_path, training={"clipLength": 21})
    assert "the longest has 20 frames and training.clipLength is 21" in said


def test_fewer_labelled_rows_than_pca_needs(tmp_path: Path):
    ProjectFolder(tmp_path / "project").with_frames(4).with_video()
    said = refusal(
        tmp_path,
        losses={"pcaSingleView": {"components": 1}},
        dataset={"split": {"validationPercent": 25, "testPercent": 0}},
    )
    assert said.startswith(
        "losses.pcaSingleView needs at least 4 frames with all its keypoints labelled among the training frames, "
        "and there are 3; label more frames"
    )


@pytest.mark.parametrize("loss", ["pcaSingleView", "pcaMultiView"])
def test_videos_of_another_size_than_the_frames_that_pca_was_fitted_on(loss: str, tmp_path: Path):
    ProjectFolder(tmp_path / "project").with_frames(6, size=(48, 64)).with_video()
    single = {"pcaSingleView": {"weight": 2}}
    multi = {"pcaSingleView": {"weight": 0}, "pcaMultiView": {"views": [["nose"], ["tail"]]}}
    losses = single if loss == "pcaSingleView" else multi
    said = refusal(tmp_path, losses=losses)
    assert said.startswith(f"labeled-data/img00.png has 64x48 pixels and videos/a.mp4 128x96, and losses.{loss} would")
    assert said.endswith(f"leave out those of another size, or set the weight of losses.{loss} to 0")


def test_frames_of_several_sizes_that_pca_would_be_fitted_on(folder: ProjectFolder, tmp_path: Path):
    folder.with_frames(1, size=(90, 50))
    said = refusal(tmp_path, losses={"pcaSingleView": {"components": 2}})
    assert said.startswith("labeled-data/img00.png has 128x96 pixels and labeled-data/img06.png 50x90, and losses.pca")


def test_pca_is_left_out_where_sizes_differ_and_nobody_asked_for_it(folder: ProjectFolder, tmp_path: Path):
    folder.with_frames(1, size=(90, 50))
    context = a_context(tmp_path, losses={})
    prepared = prepare(context)
    assert fit_pose_spaces(context.job.spec, prepared).single_view is None
    left_out, scaled = context.progress.report().warnings
    assert left_out.startswith(
        "losses.pcaSingleView is left out: labeled-data/img00.png has 128x96 pixels and labeled-d"
    )
    assert "is scaled to model.imageSize by itself" in scaled


def test_pca_is_left_out_where_few_frames_are_labelled_and_nobody_asked_for_it(tmp_path: Path):
    ProjectFolder(tmp_path / "project").with_frames(4).with_video()
    context = a_context(tmp_path, losses={})
    prepare(context)
    (warning,) = context.progress.report().warnings
    assert warning.startswith("losses.pcaSingleView is left out: losses.pcaSingleView needs at least 4 frames with all")


def test_keypoints_that_do_not_exist(folder: ProjectFolder, tmp_path: Path):
    said = refusal(tmp_path, dataset={"skeleton": [["nose", "ear"]]})
    assert said == "dataset.skeleton names keypoint 'ear'; the labels have nose, tail"
    said = refusal(tmp_path, losses={"pcaSingleView": {"keypoints": [7]}})
    assert said == "losses.pcaSingleView.keypoints names keypoint 7; the labels have numbers 0 to 1"


def test_keypoints_that_no_frame_labels_cannot_be_named(folder: ProjectFolder, tmp_path: Path):
    for points in folder.rows.values():
        points[0] = None
    folder.with_labels()
    said = refusal(tmp_path, dataset={"skeleton": [[0, 1]]})
    assert said == (
        "dataset.skeleton names nose, of which no training frame has a usable label; label some, or leave it out of "
        "dataset.skeleton"
    )


def test_weights_and_checkpoints_that_do_not_exist(folder: ProjectFolder, tmp_path: Path):
    said = refusal(tmp_path, model={"weights": f"file://{tmp_path}/w.pth"})
    assert said == "model.weights: s3://lab/w.pth does not exist; upload it or correct the URI"
    said = refusal(tmp_path, checkpoint={"resumeFrom": f"file://{tmp_path}/c.ckpt"})
    assert said.startswith("checkpoint.resumeFrom: s3://lab/c.ckpt does not exist")


def test_weights_that_do_not_fit_the_network_are_refused_before_a_gpu_is_taken(folder: ProjectFolder, tmp_path: Path):
    torch.save({"encoder.weight": torch.ones(3)}, tmp_path / "w.pth")
    said = refusal(tmp_path, model={"weights": f"file://{tmp_path}/w.pth"})
    assert said.startswith("model.weights: s3://lab/w.pth does not fit resnet18: 0 of its 100 names fit; missing are")


def test_a_start_of_another_network_is_refused_before_a_gpu_is_taken(folder: ProjectFolder, tmp_path: Path):
    other = PoseNetwork("resnet18", Grid(64, 96), keypoints=5)
    torch.save({"weights": other.state_dict(), "network_version": 1}, tmp_path / "model.pt")
    said = refusal(tmp_path, checkpoint={"resumeFrom": f"file://{tmp_path}/model.pt"})
    assert said.startswith("checkpoint.resumeFrom: s3://lab/model.pt cannot be used: 147 of its 149 tensors have the")
    assert "name a checkpoint or model.pt of a job with the same model and keypoints" in said


def test_the_public_hub_is_asked_before_a_gpu_is_taken_unless_weights_are_given(
    folder: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checks, "_PATIENCE_SECONDS", 0.0)
    with hub_server(b"weights", monkeypatch) as hub:
        prepare(a_context(tmp_path, model={"weights": "imagenet"}))
        assert len(hub.requests) == 1
        hub.status = 503
        with pytest.raises(StoreUnreachable, match="has not answered"):
            prepare(a_context(tmp_path, model={"weights": "imagenet"}))


def test_frames_of_another_size_than_the_rest_are_told(folder: ProjectFolder, tmp_path: Path):
    folder.with_frames(1, size=(90, 50))
    context = a_context(tmp_path)
    assert {(frame.width, frame.height) for frame in prepare(context).frames} == {(128, 96), (50, 90)}
    (warning,) = context.progress.report().warnings
    assert warning.startswith("labeled-data/img00.png has 128x96 pixels and labeled-data/img06.png 50x90: each is")
