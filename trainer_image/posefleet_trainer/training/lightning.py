"""A forward and a backward pass that are thrown away before the first step.

DDP orders its gradient buckets anew after the first backward pass of a process, and with the order the summation over
three and more ranks changes in the last bits. Passing once before the first real step, in fresh and in resumed runs
alike, makes a resumed training the same as an uninterrupted one.
"""

import logging
import os
import warnings
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import ClusterEnvironment
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.strategies import DDPStrategy

from posefleet_api.training import Training
from posefleet_trainer.context import Rank
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.gang.preemption import StopRequest
from posefleet_trainer.loading.labelled import FrameBatch
from posefleet_trainer.loading.loader import TrainingBatch
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.telemetry.progress import Timeline


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


_log = logging.getLogger(__name__)


class GangEnvironment(ClusterEnvironment):
    """The ranks as the launcher numbered them; the process group is there already."""

    def __init__(self, rank: Rank) -> None:
        super().__init__()
        self._rank = rank

    @property
    def creates_processes_externally(self) -> bool:
        """The launcher does."""
        return True

    @property
    def main_address(self) -> str:
        """Where rank 0 is."""
        return os.environ.get("MASTER_ADDR", "127.0.0.1")

    @property
    def main_port(self) -> int:
        """The port of the rendezvous."""
        return int(os.environ.get("MASTER_PORT", "0"))

    @staticmethod
    def detect() -> bool:
        """It is chosen, not detected."""
        return False

    def world_size(self) -> int:
        """Ranks in all."""
        return self._rank.world

    def set_world_size(self, size: int) -> None:
        """The launcher has set it."""

    def global_rank(self) -> int:
        """This rank among all."""
        return self._rank.index

    def set_global_rank(self, rank: int) -> None:
        """The launcher has set it."""

    def local_rank(self) -> int:
        """This rank on its node."""
        return self._rank.local_index

    def node_rank(self) -> int:
        """This node among all."""
        return self._rank.index // self._rank.local_world


class FirstSteps(pl.Callback):
    """What must happen between Lightning's start and the first step, and what that took."""

    def __init__(self, request: StopRequest, image: Grid, keypoints: int, timeline: Timeline) -> None:
        self._request = request
        self._image = image
        self._keypoints = keypoints
        self._timeline = timeline
        self._first = True

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Take SIGTERM back from Lightning, and let DDP settle."""
        # Lightning's handler starts a collective of its own in the rank that gets the signal, and waits there for
        # ever; its broadcast before each step, which belongs to that handler, would make a GPU wait for the CPU.
        self._request.listen()
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = _nothing  # type: ignore[method-assign]
        if trainer.world_size > 1:
            warm_up(trainer, module, self._image, self._keypoints)
        self._timeline.mark("model")

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """After the first step, say what it took to come there."""
        if self._first:
            self._first = False
            self._timeline.mark("step")
            _log.info("first step after %s", self._timeline)


def _nothing() -> None:
    pass


def precision_of(training: Training) -> Any:
    """Lightning's name for ``training.precision``.

    Raises:
        InvalidInput: bf16 is asked for, and the GPU would only emulate it.
    """
    on_gpu = torch.cuda.is_available()
    supported = on_gpu and torch.cuda.is_bf16_supported(including_emulation=False)
    if training.precision == "bf16" and on_gpu and not supported:
        raise InvalidInput(
            f"training.precision is bf16, in which {torch.cuda.get_device_name()} does not compute; write auto or "
            "fp32, or choose GPUs that do (NVIDIA Ampere or later) with resources.gpuModel"
        )
    bf16 = training.precision == "bf16" or (training.precision == "auto" and supported)
    return "bf16-mixed" if bf16 else "32-true"


def new_trainer(training: Training, rank: Rank, callbacks: list[pl.Callback]) -> pl.Trainer:
    """A trainer that passes once over its loader and leaves all else to ``callbacks``."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    # It looks for worker processes of a DataLoader; DALI's threads are none.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    on_gpu = torch.cuda.is_available()
    options: dict[str, Any] = {"strategy": "auto", "devices": 1}
    if rank.world > 1:
        options = {
            "strategy": DDPStrategy(process_group_backend="nccl" if on_gpu else "gloo", gradient_as_bucket_view=True),
            "plugins": [GangEnvironment(rank)],
            "devices": rank.local_world,
            "num_nodes": rank.world // rank.local_world,
        }
    return pl.Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        precision=precision_of(training),
        max_epochs=1,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        **options,
    )
