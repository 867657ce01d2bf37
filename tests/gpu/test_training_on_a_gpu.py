"""A training on a GPU repeats itself bit for bit, and goes on where it was stopped."""

import os
import signal
from pathlib import Path

import pytest
import torch

from posefleet_trainer.errors import Preempted
from posefleet_trainer.loading.loader import TrainingBatch
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.preparation.prepare import prepare
from posefleet_trainer.training.module import PoseModule
from posefleet_trainer.training.train import train
from unit.trainer.training.tiny import TinyProject, context_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is visible"),
]


def trained(root: Path, output: str, precision: str) -> TrainedModel:
    context = context_of(TinyProject(training={"precision": precision}).job(root, output), root)
    return train(context, prepare(context))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_manifest_gives_the_same_weights_interrupted_or_not(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    TinyProject().write(tmp_path)
    whole = trained(tmp_path, "whole", precision)
    assert trained(tmp_path, "again", precision).sha256 == whole.sha256
    step = PoseModule.training_step

    def struck(self: PoseModule, batch: TrainingBatch, index: int) -> torch.Tensor:
        if batch.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(PoseModule, "training_step", struck)
        with pytest.raises(Preempted):
            trained(tmp_path, "parts", precision)

    assert trained(tmp_path, "parts", precision).sha256 == whole.sha256
