"""Several real processes train together, are struck, and end with the weights of those that were not."""

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from integration.trainer.training.gang import Blow, SpoiltLoss, run_gang
from posefleet_api.outcomes import ExitCode
from posefleet_trainer.errors import NonFiniteLoss
from posefleet_trainer.preparation.prepare import prepare
from unit.trainer.training.tiny import TinyProject, context_of

#: A checkpoint after almost every step.
OFTEN: dict[str, Any] = {"training": {"epochs": 12}, "checkpoint": {"intervalSeconds": 0}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    TinyProject().write(tmp_path)
    return tmp_path


def prepared(root: Path, output: str, **project: Any) -> None:
    prepare(context_of(TinyProject(**project).job(root, output), root))


def model(root: Path, output: str) -> dict[str, Any]:
    return dict(json.loads((root / output / "model/model.json").read_text()))


def train_undisturbed(root: Path, output: str, world: int) -> dict[str, Any]:
    prepared(root, output, **OFTEN)
    assert run_gang(root, output, world, **OFTEN) == [0] * world
    return model(root, output)


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_that_are_killed_at_random_leave_the_weights_of_an_undisturbed_training(world: int, root: Path):
    whole = train_undisturbed(root, "whole", world)
    dice = random.Random(world)
    prepared(root, "struck", **OFTEN)
    steps = sorted(dice.sample(range(2, whole["steps"] - 1), 2))

    for step in steps:
        blow = Blow(dice.randrange(world), step)
        codes = run_gang(root, "struck", world, blow, **OFTEN)
        assert codes[blow.rank] == -signal.SIGKILL
        assert {code for rank, code in enumerate(codes) if rank != blow.rank} == {ExitCode.PEER_LOST}

    assert run_gang(root, "struck", world, **OFTEN) == [0] * world
    assert model(root, "struck")["weightsSha256"] == whole["weightsSha256"]


def test_sigterm_to_any_rank_stops_all_with_one_checkpoint_and_exit_75(root: Path):
    whole = train_undisturbed(root, "whole", 2)
    seldom = {**OFTEN, "checkpoint": {"intervalSeconds": 3600}}
    prepared(root, "stopped", **seldom)

    assert run_gang(root, "stopped", 2, Blow(1, 5, signal.SIGTERM), **seldom) == [ExitCode.PREEMPTED] * 2
    (checkpoint,) = (root / "stopped/checkpoints").glob("*.json")
    assert json.loads(checkpoint.read_text())["step"] == 6

    assert run_gang(root, "stopped", 2, **seldom) == [0, 0]
    assert model(root, "stopped")["weightsSha256"] == whole["weightsSha256"]


def test_sigterm_to_any_rank_after_the_last_step_stops_all_with_the_model_and_exit_75(root: Path):
    prepared(root, "stopped", **OFTEN)
    assert run_gang(root, "stopped", 2, Blow(1, None, signal.SIGTERM), **OFTEN) == [ExitCode.PREEMPTED] * 2
    assert model(root, "stopped")["weightsSha256"]


@pytest.mark.parametrize("gradient_alone", [False, True])
def test_weights_that_the_loss_or_the_gradient_of_any_rank_has_spoilt_are_not_saved(gradient_alone: bool, root: Path):
    seldom = {**OFTEN, "checkpoint": {"intervalSeconds": 3600}}
    prepared(root, "spoilt", **seldom)

    assert run_gang(root, "spoilt", 2, SpoiltLoss(1, 5, gradient_alone), **seldom) == [NonFiniteLoss.exit_code] * 2
    assert not (root / "spoilt/checkpoints").exists()


def test_two_ranks_do_half_the_steps_of_one(root: Path):
    assert train_undisturbed(root, "two", 2)["steps"] * 2 == train_undisturbed(root, "one", 1)["steps"]
