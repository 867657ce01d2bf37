"""Whole trainings on a tiny project, in this process."""

import copy
import json
import os
import signal
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posefleet_trainer.context import Context
from posefleet_trainer.errors import InvalidInput, NonFiniteLoss, Preempted, Superseded
from posefleet_trainer.loading.loader import TrainingBatch
from posefleet_trainer.main import run_stages
from posefleet_trainer.models import manifest as manifests
from posefleet_trainer.models.network import PoseNetwork
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.preparation.load import load_prepared
from posefleet_trainer.preparation.prepare import prepare
from posefleet_trainer.telemetry.server import serve_telemetry
from posefleet_trainer.training import model_files, module, resume, start
from posefleet_trainer.training import train as run
from posefleet_trainer.training.control import StepControl
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


@dataclass(frozen=True)
class Finished:
    """A job whose output is the folder ``given`` of ``root``. Tests add other outputs and leave this one as it is."""

    root: Path
    context: Context
    model: TrainedModel


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    root = tmp_path_factory.mktemp("finished")
    TinyProject().write(root)
    context = a_context(root, "given")
    return Finished(root, context, trained(context))


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
    history = trained(a_context(root, training={"epochs": 16}, losses=NO_LOSSES_ON_CLIPS)).history
    first, last = history[0]["losses"]["heatmap"], history[-1]["losses"]["heatmap"]
    assert last < 0.9 * first


def test_the_same_manifest_gives_the_same_weights_and_another_seed_does_not(finished: Finished):
    one = finished.model
    same = trained(a_context(finished.root, "same"))
    other = trained(a_context(finished.root, "other", training={"seed": 1}))
    assert one.sha256 == same.sha256 == manifest(finished.root, "given")["weightsSha256"]
    assert one.sha256 != other.sha256
    assert one.history == same.history


def test_a_training_that_was_preempted_ends_with_the_weights_of_one_that_was_not(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
):
    whole, root = finished.model, finished.root
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


def test_an_attempt_changes_nothing_once_a_newer_one_has_begun(root: Path, monkeypatch: pytest.MonkeyPatch):
    project = {"training": {"epochs": 4}, "checkpoint": {"intervalSeconds": 0}}
    whole = PoseModule.training_step

    def overtaken(self: PoseModule, batch: TrainingBatch, index: int) -> torch.Tensor:
        if batch.step == 4:
            monkeypatch.setattr(PoseModule, "training_step", whole)
            newer = context_of(TinyProject(**project).job(root), root, attempt=2)
            run_stages(newer, ("train",))
            files.update({path: path.read_bytes() for path in (root / "output").rglob("*") if path.is_file()})
        return whole(self, batch, index)

    files: dict[Path, bytes] = {}
    monkeypatch.setattr(PoseModule, "training_step", overtaken)
    with pytest.raises(Superseded, match="attempt 2 of this job has begun"):
        run_stages(a_context(root, **project), ("train",))
    now = {path: path.read_bytes() for path in (root / "output").rglob("*") if path.is_file()}
    assert now == files
    assert root / "output/model/model.json" in files


def test_the_operator_gets_a_checkpoint_of_the_next_step_when_it_asks(root: Path, monkeypatch: pytest.MonkeyPatch):
    whole = PoseModule.training_step
    context = a_context(root)
    server = serve_telemetry(context.progress, "127.0.0.1", 0, takes_requests=True)
    assert server is not None

    def asked(self: PoseModule, batch: TrainingBatch, index: int) -> torch.Tensor:
        if batch.step == 3:
            url, body = f"http://127.0.0.1:{server.server_port}/checkpoint", b'{"request": "before the drain"}'
            with urllib.request.urlopen(urllib.request.Request(url, body, method="POST")) as answer:
                assert answer.status == 202
        return whole(self, batch, index)

    monkeypatch.setattr(PoseModule, "training_step", asked)
    trained(context)
    server.shutdown()
    server.server_close()
    (checkpoint,) = (root / "output/checkpoints").glob("*.json")
    assert json.loads(checkpoint.read_text())["step"] == 4
    assert context.progress.report().checkpoint_request == "before the drain"


def test_a_training_that_has_ended_returns_its_model_at_once(finished: Finished, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(PoseModule, "training_step", None)

    again = trained(a_context(finished.root, "given"))

    assert again.sha256 == finished.model.sha256
    assert again.history == finished.model.history


def test_a_loss_that_is_no_number_ends_training_with_step_term_and_files(root: Path, monkeypatch: pytest.MonkeyPatch):
    whole = Objective.forward

    def broken(self: Objective, batch: TrainingBatch, share_done: float) -> dict[str, torch.Tensor]:
        terms = whole(self, batch, share_done)
        return {**terms, "temporal": terms["heatmap"] * (torch.nan if batch.step == 5 else 1)}

    monkeypatch.setattr(Objective, "forward", broken)
    with pytest.raises(NonFiniteLoss, match=r"temporal = nan in step 5 on rank 0\. .*: labeled-data/vid/"):
        trained(a_context(root))
    assert not list((root / "output").glob("model/*"))


def test_a_step_whose_gradient_is_not_finite_leaves_weights_and_optimizer_as_they_were(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    whole, before, after = Objective.forward, dict[str, Any](), dict[str, Any]()

    def state(module: PoseModule) -> dict[str, Any]:
        optimizer = module.optimizers()
        assert isinstance(optimizer, torch.optim.Optimizer)
        return copy.deepcopy({"weights": dict(module.objective.named_parameters()), "state": optimizer.state_dict()})

    def spoilt(self: Objective, batch: TrainingBatch, share_done: float) -> dict[str, torch.Tensor]:
        terms = whole(self, batch, share_done)
        if batch.step != 5:
            return terms
        # The loss is finite, and the derivative of the square root at zero is not.
        return {**terms, "temporal": (terms["heatmap"] * 0).sqrt()}

    def watched(
        self: StepControl, trainer: Any, module: PoseModule, outputs: Any, batch: TrainingBatch, _: int
    ) -> None:
        (after if batch.step == 5 else before).update(state(module))
        end(self, trainer, module, outputs, batch, _)

    end = StepControl.on_train_batch_end
    monkeypatch.setattr(Objective, "forward", spoilt)
    monkeypatch.setattr(StepControl, "on_train_batch_end", watched)
    context = a_context(root, checkpoint={"intervalSeconds": 0})
    with pytest.raises(
        NonFiniteLoss, match=r"the gradient is not finite in step 5, .* continues after step \d from file"
    ):
        trained(context)

    assert all(torch.equal(after["weights"][name], value) for name, value in before["weights"].items())
    assert after["state"]["state"].keys() == before["state"]["state"].keys()
    for number, entry in before["state"]["state"].items():
        assert all(torch.equal(after["state"]["state"][number][name], value) for name, value in entry.items())
    saved = [torch.load(path) for path in (root / "output/checkpoints").glob("*.ckpt")]
    assert saved
    assert all(value.isfinite().all() for content in saved for value in content["weights"].values())
    last = context.progress.report().last_checkpoint
    assert last is not None
    assert last.step <= 5


def test_an_attempt_that_has_saved_nothing_yet_names_the_checkpoint_that_it_continued(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        strike(patch, 3)
        with pytest.raises(Preempted):
            trained(a_context(root))
    whole = Objective.forward

    def broken(self: Objective, batch: TrainingBatch, share_done: float) -> dict[str, torch.Tensor]:
        return {name: value * torch.nan for name, value in whole(self, batch, share_done).items()}

    monkeypatch.setattr(Objective, "forward", broken)
    context = a_context(root)
    with pytest.raises(
        NonFiniteLoss, match=r"heatmap = nan .* in step 4 .* continues after step 4 from file.*step-0000000"
    ):
        trained(context)
    last = context.progress.report().last_checkpoint
    assert last is not None
    assert last.step == 4


def test_weights_are_started_from_another_jobs_model(finished: Finished):
    given, root = finished.model, finished.root
    uri = f"file://{root}/given/model/model.pt"
    context = a_context(root, "taken", training={"epochs": 1, "learningRate": 1e-9}, checkpoint={"resumeFrom": uri})
    taken = trained(context)
    before, after = given.network.state_dict(), taken.network.state_dict()
    name = "head.out.weight"
    assert torch.allclose(before[name], after[name], atol=1e-5)


def test_a_finished_model_of_another_training_is_replaced_only_if_the_manifest_says_so(finished: Finished):
    given, root = finished.model, finished.root
    one_epoch = {"epochs": 1}
    other = {"training": one_epoch, "checkpoint": {"resumeFrom": f"file://{root}/given/model/model.pt"}}
    first = trained(a_context(root, training=one_epoch))
    before = (root / "output/prepared.json").read_text(), manifest(root)

    with pytest.raises(InvalidInput) as refused:
        a_context(root, **other)
    steps = manifest(root)["steps"]
    said = str(refused.value)
    assert f"output.uri: file://{root}/output/ holds the finished model of another training ({steps} steps)" in said
    assert "to keep both, give this job another output.uri, or set output.overwrite to true" in said
    assert ((root / "output/prepared.json").read_text(), manifest(root)) == before
    assert trained(a_context(root, training=one_epoch)).sha256 == first.sha256

    context = a_context(root, **other, overwrite=True)
    replaced = trained(context)
    assert len({given.sha256, first.sha256, replaced.sha256}) == 3
    assert manifest(root)["weightsSha256"] == replaced.sha256
    assert trained(context).sha256 == replaced.sha256
    assert trained(a_context(root, **other)).sha256 == replaced.sha256


@pytest.mark.parametrize("ended", [False, True])
def test_a_training_of_an_image_with_another_network_ends_with_a_sentence(
    ended: bool, root: Path, monkeypatch: pytest.MonkeyPatch
):
    if ended:
        trained(a_context(root))
    else:
        with monkeypatch.context() as patch:
            strike(patch, 3)
            with pytest.raises(Preempted):
                trained(a_context(root))

    def build(network: PoseNetwork, *arguments: Any) -> None:
        whole(network, *arguments)
        network.neck = torch.nn.Linear(2, 2)

    whole = PoseNetwork.__init__
    monkeypatch.setattr(PoseNetwork, "__init__", build)
    for reader in (model_files, resume, manifests):
        monkeypatch.setattr(reader, "NETWORK_VERSION", 2, raising=False)
    with pytest.raises(
        InvalidInput, match=r"network has version 1, and .* version 2: use the former image, or apply the"
    ):
        trained(a_context(root))


def test_a_given_start_needs_no_hub_and_counts_as_pretrained(finished: Finished, monkeypatch: pytest.MonkeyPatch):
    root = finished.root
    monkeypatch.setattr(start, "hub_weights", lambda *_: pytest.fail("the hub is not to be asked"))
    given: list[bool] = []
    monkeypatch.setattr(module, "backbone_factor", lambda _, pretrained: given.append(pretrained) or 1.0)
    project = TinyProject(training={"epochs": 1}, checkpoint={"resumeFrom": f"file://{root}/given/model/model.pt"})
    for output, weights in (("hub", "imagenet"), ("none", "none")):
        context = context_of(project.job(root, output, weights=weights), root)
        prepare(context)
        trained(context)
    assert set(given) == {True}


def test_progress_ends_at_the_last_step_with_a_measured_error(finished: Finished):
    context, model = finished.context, finished.model
    progress = context.progress.report().progress
    assert (progress.step, progress.epoch, progress.percent) == (progress.steps, 3, 100)
    assert progress.loss is not None
    assert progress.frames_per_second is not None
    assert progress.validation_pixel_error == pytest.approx(model.history[-1]["validation_pixel_error"], rel=1e-3)
    saved = context.progress.report().last_checkpoint
    assert saved is not None
    assert saved.uri.endswith("model/model.pt")


def test_the_written_model_predicts_as_the_returned_one(finished: Finished):
    model = finished.model
    again = TrainedModel.load(finished.root / "given/model/model.pt")
    frames = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    assert np.array_equal(model.predict(frames)[0], again.predict(frames)[0])
