"""What training reads, on the node's disk."""

from pathlib import Path

import pytest

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.preparation.load import fetch_training_files, load_prepared
from posefleet_trainer.preparation.prepare import prepare
from posefleet_trainer.telemetry.metrics import CACHE_HITS
from posefleet_trainer.telemetry.progress import ProgressTracker
from unit.trainer.dataset.projects import NO_LOSSES_ON_CLIPS, ProjectFolder, a_context
from unit.trainer.video.recordings import Recording


def test_files_that_another_rank_has_brought_are_signs_of_life(tmp_path: Path) -> None:
    ProjectFolder(tmp_path / "project").with_frames(6).with_video()
    context = a_context(tmp_path)
    prepared = prepare(context)
    cache = context.open_cache()
    fetch_training_files(context.prepared, cache, prepared, context.progress)

    of_rank_0 = ProgressTracker(1)
    hits = CACHE_HITS._value.get()
    fetched = fetch_training_files(context.prepared, cache, prepared, of_rank_0)
    assert CACHE_HITS._value.get() - hits == len(fetched.paths) == 3
    assert of_rank_0.report().last_step_time


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project").with_frames(6).with_video()


def loaded(context: Context) -> Prepared:
    return load_prepared(context.output, context.prepared, context.job.spec)


def test_videos_shorter_than_a_clip_are_told_and_left_out_of_training(folder: ProjectFolder, tmp_path: Path):
    folder.with_video("videos/short.mp4", Recording(frames=5))
    context = a_context(tmp_path)
    prepare(context)
    assert "videos/short.mp4 has 5 frames, fewer than training.clipLength (16)" in context.progress.report().warnings[0]
    assert [video.source.path for video in loaded(context).clip_videos] == ["videos/a.mp4"]
    assert len(loaded(context).predict_videos) == 2


def test_loading_before_preparing_says_so(folder: ProjectFolder, tmp_path: Path):
    with pytest.raises(InvalidInput, match="data is not prepared; run the stage prepare first"):
        loaded(a_context(tmp_path))


def test_prepared_data_of_another_manifest_are_not_loaded(folder: ProjectFolder, tmp_path: Path):
    prepare(a_context(tmp_path))
    with pytest.raises(InvalidInput, match="belongs to another manifest"):
        loaded(a_context(tmp_path, losses=NO_LOSSES_ON_CLIPS))


def test_job_keeps_its_prepared_data_when_the_folder_changes(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path)
    prepared = prepare(context)
    folder.with_video("videos/later.mp4")
    assert loaded(context) == prepared


def test_damaged_pointer_is_a_clear_refusal(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path)
    prepare(context)
    context.output.write("prepared.json", b"{")
    with pytest.raises(InvalidInput, match="run the stage prepare first"):
        loaded(context)
