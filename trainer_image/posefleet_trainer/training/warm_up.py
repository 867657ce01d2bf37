"""A forward and a backward pass that are thrown away before the first step.

DDP orders its gradient buckets anew after the first backward pass of a process, and with the order the summation over
three and more ranks changes in the last bits. Passing once before the first real step, in fresh and in resumed runs
alike, makes a resumed training the same as an uninterrupted one.
"""

import torch
from pytorch_lightning import LightningModule, Trainer

from posefleet_trainer.loading.batches import FrameBatch, TrainingBatch
from posefleet_trainer.models.coordinates import Grid


def warm_up(trainer: Trainer, module: LightningModule, image: Grid, keypoints: int) -> None:
    """Pass once through the (DDP-wrapped) module; its weights and its running statistics stay as they were."""
    kept = [buffer.clone() for buffer in module.buffers()]
    loss = trainer.strategy.training_step(_blank(image, keypoints, module.device), 0)
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    module.zero_grad()
    with torch.no_grad():
        for buffer, value in zip(module.buffers(), kept, strict=True):
            buffer.copy_(value)


def _blank(image: Grid, keypoints: int, device: torch.device) -> TrainingBatch:
    # Two frames: batch normalisation of a single one has no variance where features are one pixel large.
    frames = FrameBatch(
        images=torch.zeros(2, 3, image.height, image.width, device=device),
        points=torch.zeros(2, keypoints, 2, device=device),
        files=[],
    )
    return TrainingBatch(step=0, frames=frames, clip=None)
