"""A copy of the training on the CPU, which stays as it is while training goes on."""

from typing import Any

import torch

from posefleet_trainer.training.history import History
from posefleet_trainer.training.module import PoseModule
from posefleet_trainer.training.resume import TrainingState


def snapshot(module: PoseModule, history: History, samples: int) -> TrainingState:
    """The state after ``samples`` labelled samples of all ranks."""
    optimizer = module.optimizers()
    assert isinstance(optimizer, torch.optim.Optimizer)
    return TrainingState(
        samples=samples,
        weights=_copied(module.objective.network.state_dict()),
        optimizer=_copied(optimizer.state_dict()),
        history=history.state(),
    )


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(entry) for entry in value]
    return value
