"""How training runs in PyTorch Lightning: the trainer, its precision, the ranks, and what precedes the first step."""

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

_log = logging.getLogger(__name__)


def new_trainer(training: Training, rank: Rank, callbacks: list[pl.Callback]) -> pl.Trainer:
    """Return a trainer that iterates over its loader once, without Lightning's own logging, checkpoints and validation.

    Args:
        training: the manifest's training section.
        rank: this rank; with more than one rank, gradients are averaged by DDP.
        callbacks: what happens around the steps.

    Raises:
        InvalidInput: the GPU does not compute in the requested precision.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    # Lightning expects worker processes of a DataLoader, but DALI works in threads.
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


def precision_of(training: Training) -> Any:
    """Return Lightning's name of ``training.precision``; auto is bf16 on GPUs that compute in it, and fp32 elsewhere.

    Raises:
        InvalidInput: the manifest requests bf16, which the GPU would only emulate.
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


class GangEnvironment(ClusterEnvironment):
    """Tells Lightning the ranks as the launcher numbered them, in a process group that exists already."""

    def __init__(self, rank: Rank) -> None:
        super().__init__()
        self._rank = rank

    @property
    def creates_processes_externally(self) -> bool:
        """Whether the processes are started by something other than Lightning, which is the launcher."""
        return True

    @property
    def main_address(self) -> str:
        """Host of the rendezvous, on which rank 0 runs."""
        return os.environ.get("MASTER_ADDR", "127.0.0.1")

    @property
    def main_port(self) -> int:
        """Port of the rendezvous."""
        return int(os.environ.get("MASTER_PORT", "0"))

    @staticmethod
    def detect() -> bool:
        """Return False, because this environment is passed to the trainer and never detected."""
        return False

    def world_size(self) -> int:
        """Return the number of ranks."""
        return self._rank.world

    def set_world_size(self, size: int) -> None:
        """Ignore ``size``, because the launcher has set the number of ranks."""

    def global_rank(self) -> int:
        """Return the number of this rank among all ranks."""
        return self._rank.index

    def set_global_rank(self, rank: int) -> None:
        """Ignore ``rank``, because the launcher has set the number of this rank."""

    def local_rank(self) -> int:
        """Return the number of this rank on its node."""
        return self._rank.local_index

    def node_rank(self) -> int:
        """Return the number of this node among all nodes."""
        return self._rank.index // self._rank.local_world


class FirstSteps(pl.Callback):
    """Callback that prepares the first step, and measures the time until that step is done.

    Args:
        request: listens for SIGTERM.
        image: size of the images that the network reads.
        keypoints: number of keypoints.
        timeline: receives the times at which the model was ready (``model``) and the first step done (``step``).
    """

    def __init__(self, request: StopRequest, image: Grid, keypoints: int, timeline: Timeline) -> None:
        self._request = request
        self._image = image
        self._keypoints = keypoints
        self._timeline = timeline
        self._first = True

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Replace Lightning's handler of SIGTERM by ``request``, and warm up DDP."""
        # Lightning's handler starts a collective operation in the rank that receives the signal, and waits forever
        # for the other ranks. Its broadcast before each step, which belongs to that handler, would make a GPU wait
        # for the CPU.
        self._request.listen()
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = _nothing  # type: ignore[method-assign]
        if trainer.world_size > 1:
            warm_up(trainer, module, self._image, self._keypoints)
        self._timeline.mark("model")

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        """Log the start-up times after the first step."""
        if self._first:
            self._first = False
            self._timeline.mark("step")
            _log.info("first step after %s", self._timeline)


def warm_up(trainer: Trainer, module: LightningModule, image: Grid, keypoints: int) -> None:
    """Run one forward and backward pass on a blank batch, and restore the module's buffers; its weights do not change.

    DDP rearranges its gradient buckets after the first backward pass of a process. The order of the buckets decides
    the order in which gradients of three or more ranks are summed, and thereby the last bits of the sums. Since every
    attempt runs this pass before its first step, a resumed training computes the same bits as an uninterrupted one.

    Args:
        trainer: the trainer, whose strategy wraps the module in DDP.
        module: a ``PoseModule``.
        image: size of the images that the network reads.
        keypoints: number of keypoints.
    """
    kept = [buffer.clone() for buffer in module.buffers()]
    loss = trainer.strategy.training_step(_blank(image, keypoints, module.device), 0)
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    module.zero_grad()
    with torch.no_grad():
        for buffer, value in zip(module.buffers(), kept, strict=True):
            buffer.copy_(value)


def _blank(image: Grid, keypoints: int, device: torch.device) -> TrainingBatch:
    # The batch has two frames, because batch normalisation of one frame whose features are one pixel has no variance.
    frames = FrameBatch(
        images=torch.zeros(2, 3, image.height, image.width, device=device),
        points=torch.zeros(2, keypoints, 2, device=device),
        files=[],
    )
    return TrainingBatch(step=0, frames=frames, clip=None)


def _nothing() -> None:
    pass
