"""What training reads, on the node's disk."""

from dataclasses import replace
from pathlib import Path

from posefleet_trainer.preparation.load import fetch_training_files
from posefleet_trainer.preparation.prepare import prepare
from posefleet_trainer.telemetry.metrics import CACHE_HITS
from posefleet_trainer.telemetry.progress import ProgressTracker
from unit.trainer.dataset.projects import ProjectFolder, a_context


def test_files_that_another_rank_has_brought_are_signs_of_life(tmp_path: Path) -> None:
    ProjectFolder(tmp_path / "project").with_frames(6).with_video()
    context = a_context(tmp_path)
    prepared = prepare(context)
    fetch_training_files(context, prepared)

    of_rank_0 = replace(context, progress=ProgressTracker(1))
    hits = CACHE_HITS._value.get()
    fetched = fetch_training_files(of_rank_0, prepared)
    assert CACHE_HITS._value.get() - hits == len(fetched.paths) == 3
    assert of_rank_0.progress.report().last_step_time
