"""Whole trainings on a tiny project, in this process."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posefleet_trainer.context import Context
from posefleet_trainer.errors import NonFiniteLoss, Preempted
from posefleet_trainer.loading.loader import TrainingBatch
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.preparation.load import load_prepared
from posefleet_trainer.preparation.prepare import prepare
from posefleet_trainer.training import module, start
from posefleet_trainer.training import train as run
from posefleet_trainer.training.model_files import ModelManifest
from posefleet_trainer.training.module import Objective, PoseModule
from posefleet_trainer.training.train import train
from unit.trainer.dataset.projects import NO_LOSSES_ON_CLIPS
from unit.trainer.training.tiny import TinyProject, context_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    TinyProject().write(tmp_path)
    return tmp_path


def a_context(root: Path, output: str = "output", **project: Any) -> Context:
    context = context_of(TinyProject(**project).job(root, output), root)
    prepare(context)
    return context


def trained(context: Context) -> TrainedModel:
    return train(context, load_prepared(context.output, context.prepared, context.job.spec))


def manifest(root: Path, output: str = "output") -> dict[str, Any]:
    return dict(json.loads((root / output / "model/model.json").read_text()))


def strike(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """SIGTERM to this process in the middle of ``step``."""
    whole = PoseModule.training_step

    def struck(self: PoseModule, batch: TrainingBatch, index: int) -> torch.Tensor:
        if batch.step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole(self, batch, index)

    monkeypatch.setattr(PoseModule, "training_step", struck)


def test_the_loss_falls(root: Path):
    history = trained(a_context(root, training={"epochs": 30}, losses=NO_LOSSES_ON_CLIPS)).history
    first, last = history[0]["losses"]["heatmap"], history[-1]["losses"]["heatmap"]
    assert last < 0.9 * first


def test_the_same_manifest_gives_the_same_weights_and_another_seed_does_not(root: Path):
    one = trained(a_context(root, "one"))
    same = trained(a_context(root, "two"))
    other = trained(a_context(root, "three", training={"seed": 1}))
    assert one.sha256 == same.sha256 == manifest(root, "one")["weightsSha256"]
    assert one.sha256 != other.sha256
    assert one.history == same.history


def test_a_training_that_was_preempted_ends_with_the_weights_of_one_that_was_not(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = trained(a_context(root, "whole"))
    for step in (4, 7):
        with monkeypatch.context() as patch:
            strike(patch, step)
            with pytest.raises(Preempted, match=f"after step {step + 1} "):
                trained(a_context(root, "parts"))
    context = a_context(root, "parts")
    resumed = trained(context)

    assert resumed.sha256 == whole.sha256
    assert resumed.history == whole.history
    assert context.progress.report().start_step == 8


def test_sigterm_after_the_last_step_is_kept_until_the_model_is_written(root: Path, monkeypatch: pytest.MonkeyPatch):
    write = run.write_model

    def struck(*arguments: Any) -> ModelManifest:
        os.kill(os.getpid(), signal.SIGTERM)
        return write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_model", struck)
        with pytest.raises(Preempted, match="asked to stop; the trained model is in the store"):
            trained(a_context(root))
    monkeypatch.setattr(PoseModule, "training_step", None)
    assert trained(a_context(root)).sha256 == manifest(root)["weightsSha256"]


def test_a_training_that_has_ended_returns_its_model_at_once(root: Path, monkeypatch: pytest.MonkeyPatch):
    first = trained(a_context(root))
    monkeypatch.setattr(PoseModule, "training_step", None)

    again = trained(a_context(root))

    assert again.sha256 == first.sha256
    assert again.history == first.history


def test_a_loss_that_is_no_number_ends_training_with_step_term_and_files(root: Path, monkeypatch: pytest.MonkeyPatch):
    whole = Objective.forward

    def broken(self: Objective, batch: TrainingBatch, share_done: float) -> dict[str, torch.Tensor]:
        terms = whole(self, batch, share_done)
        return {**terms, "temporal": terms["heatmap"] * (torch.nan if batch.step == 5 else 1)}

    monkeypatch.setattr(Objective, "forward", broken)
    with pytest.raises(NonFiniteLoss, match=r"temporal = nan in step 5 on rank 0, whose batch was labeled-data/vid/"):
        trained(a_context(root))
    assert not list((root / "output").glob("model/*"))


def test_weights_are_started_from_another_jobs_model(root: Path):
    given = trained(a_context(root, "given"))
    uri = f"file://{root}/given/model/model.pt"
    context = a_context(root, "taken", training={"epochs": 1, "learningRate": 1e-9}, checkpoint={"resumeFrom": uri})
    taken = trained(context)
    before, after = given.network.state_dict(), taken.network.state_dict()
    name = "head.out.weight"
    assert torch.allclose(before[name], after[name], atol=1e-5)


def test_another_start_is_another_training_than_the_one_whose_model_is_there(root: Path):
    given = trained(a_context(root, "given"))
    uri = f"file://{root}/given/model/model.pt"
    one_epoch = {"epochs": 1}
    anew = trained(a_context(root, training=one_epoch))
    context = a_context(root, training=one_epoch, checkpoint={"resumeFrom": uri})

    started = trained(context)

    assert len({given.sha256, anew.sha256, started.sha256}) == 3
    assert trained(context).sha256 == started.sha256


def test_a_given_start_needs_no_hub_and_counts_as_pretrained(root: Path, monkeypatch: pytest.MonkeyPatch):
    trained(a_context(root, "given"))
    monkeypatch.setattr(start, "hub_weights", lambda *_: pytest.fail("the hub is not to be asked"))
    given: list[bool] = []
    monkeypatch.setattr(module, "backbone_factor", lambda _, pretrained: given.append(pretrained) or 1.0)
    project = TinyProject(training={"epochs": 1}, checkpoint={"resumeFrom": f"file://{root}/given/model/model.pt"})
    for output, weights in (("hub", "imagenet"), ("none", "none")):
        context = context_of(project.job(root, output, weights=weights), root)
        prepare(context)
        trained(context)
    assert set(given) == {True}


def test_progress_ends_at_the_last_step_with_a_measured_error(root: Path):
    context = a_context(root)
    model = trained(context)
    progress = context.progress.report().progress
    assert (progress.step, progress.epoch, progress.percent) == (progress.steps, 3, 100)
    assert progress.loss is not None
    assert progress.frames_per_second is not None
    assert progress.validation_pixel_error == pytest.approx(model.history[-1]["validation_pixel_error"], rel=1e-3)
    saved = context.progress.report().last_checkpoint
    assert saved is not None
    assert saved.uri.endswith("model/model.pt")


def test_the_written_model_predicts_as_the_returned_one(root: Path):
    model = trained(a_context(root))
    again = TrainedModel.load(root / "output/model/model.pt")
    frames = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    assert np.array_equal(model.predict(frames)[0], again.predict(frames)[0])
