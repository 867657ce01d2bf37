"""What a snapshot of a training contains, and how a checkpoint's file is read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from posefleet_trainer.training import resume
from posefleet_trainer.training.history import History
from posefleet_trainer.training.resume import TrainingState, read_checkpoint, snapshot
from unit.trainer.training.checkpoint_folder import state


class Training:
    """A network of one weight with Adam, which ``step`` trains."""

    def __init__(self) -> None:
        self.network = torch.nn.Linear(1, 1, bias=False)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.1)
        self.history = History()

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.network(torch.ones(1, 1)).sum().backward()
        self.optimizer.step()
        self.history.add({"heatmap": 2.0})

    def snapshot(self, samples: int) -> TrainingState:
        module: Any = SimpleNamespace(
            objective=SimpleNamespace(network=self.network), optimizers=lambda: self.optimizer
        )
        return snapshot(module, self.history, samples)


def test_a_snapshot_has_the_weights_the_optimizer_and_the_history_and_does_not_follow_later_steps():
    training = Training()
    training.step()
    weight = training.network.weight.detach().clone()
    average = training.optimizer.state[training.network.weight]["exp_avg"].clone()

    taken = training.snapshot(56)
    training.step()

    assert taken.samples == 56
    assert list(taken.weights) == ["weight"]
    assert torch.equal(taken.weights["weight"], weight)
    assert not taken.weights["weight"].requires_grad
    assert torch.equal(taken.optimizer["state"][0]["exp_avg"], average)
    assert taken.optimizer["state"][0]["step"].item() == 1
    (group,) = taken.optimizer["param_groups"]
    assert group["lr"] == 0.1
    assert list(group["betas"]) == [0.9, 0.999]
    assert group["params"] == [0]
    assert taken.history == {"records": [], "sums": {"heatmap": 2.0}, "steps": 1}


def test_a_training_goes_on_from_a_snapshot_as_if_it_had_not_been_interrupted(tmp_path: Path):
    training, resumed = Training(), Training()
    training.step()
    torch.save(training.snapshot(8).content(), tmp_path / "checkpoint")
    read = read_checkpoint(tmp_path / "checkpoint")
    resumed.network.load_state_dict(read.weights)
    resumed.optimizer.load_state_dict(read.optimizer)
    training.step()
    resumed.step()
    assert torch.equal(training.network.weight, resumed.network.weight)


def test_a_snapshot_of_weights_on_a_gpu_is_in_the_memory_of_the_cpu():
    with FakeTensorMode():
        copied = resume._copied({"weights": [torch.ones(2, device="cuda")]})
    assert copied["weights"][0].device == torch.device("cpu")


def test_a_checkpoint_that_was_written_on_a_gpu_is_read_into_the_memory_of_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    torch.save(state(1).content(), tmp_path / "checkpoint")
    load, devices = torch.load, []

    def load_noting_the_device(path: Path, **options: Any) -> Any:
        devices.append(options.get("map_location"))
        return load(path, **options)

    monkeypatch.setattr(torch, "load", load_noting_the_device)
    assert read_checkpoint(tmp_path / "checkpoint").samples == 8
    assert [str(device) for device in devices] == ["cpu"]


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


def test_reading_a_checkpoint_executes_nothing_in_it(tmp_path: Path):
    torch.save({**state(1).content(), "history": Payload(tmp_path / "executed")}, tmp_path / "checkpoint")
    with pytest.raises(ValueError, match="cannot be read"):
        read_checkpoint(tmp_path / "checkpoint")
    assert not (tmp_path / "executed").exists()


def test_a_file_of_other_content_is_not_a_checkpoint(tmp_path: Path):
    torch.save([1, 2, 3], tmp_path / "list")
    with pytest.raises(ValueError, match="not a checkpoint of this version"):
        read_checkpoint(tmp_path / "list")


def test_a_checkpoint_of_an_earlier_release_with_the_same_layout_is_read(tmp_path: Path):
    content = {"format": "posefleet-checkpoint-1", "samples": 8, "weights": {}, "optimizer": {}, "history": {}}
    torch.save(content, tmp_path / "checkpoint")
    assert read_checkpoint(tmp_path / "checkpoint") == TrainingState(8, {}, {}, {})
