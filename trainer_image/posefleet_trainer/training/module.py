"""The model as it is trained: the objective that computes a batch's losses, and the LightningModule around it."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from posefleet_trainer.loading.clips import ClipBatch
from posefleet_trainer.loading.loader import TrainingBatch
from posefleet_trainer.losses.build import WeightedLoss, annealed
from posefleet_trainer.losses.heatmap import HeatmapLoss
from posefleet_trainer.losses.poses import ClipPoses
from posefleet_trainer.models.coordinates import Grid, between, rescale
from posefleet_trainer.models.heatmaps import decode, heatmaps_of
from posefleet_trainer.models.network import PoseNetwork
from posefleet_trainer.training.plan import Plan, backbone_factor, learning_rate_factor

#: Name of the loss on labelled frames, among the terms of an objective.
SUPERVISED = "heatmap"


class Objective(nn.Module):
    """The network and its losses; computes weighted loss terms of a batch, whose sum training minimises.

    Args:
        network: the network.
        image: size of the images that the network reads.
        unsupervised: the losses on clips, by their names in the manifest.
    """

    def __init__(self, network: PoseNetwork, image: Grid, unsupervised: Mapping[str, WeightedLoss]) -> None:
        super().__init__()
        self.network = network
        self._image = image
        self._supervised = HeatmapLoss()
        self._unsupervised = nn.ModuleDict({name: weighted.loss for name, weighted in unsupervised.items()})
        self._weights = {name: weighted.weight for name, weighted in unsupervised.items()}

    def forward(self, batch: TrainingBatch, share_done: float) -> dict[str, torch.Tensor]:
        """Compute the weighted loss terms of ``batch`` by their names, scalars in float32.

        Args:
            batch: labelled frames and, once unsupervised losses have begun, a clip.
            share_done: the part of the training that is done, from 0 to 1, by which losses on clips are annealed.
        """
        images = [batch.frames.images] + ([batch.clip.images] if batch.clip else [])
        logits = self.network(torch.cat(images).contiguous(memory_format=torch.channels_last))
        with torch.autocast(logits.device.type, enabled=False):
            heatmaps = heatmaps_of(logits)
            labelled, unlabelled = heatmaps.split([len(batch.frames.points), len(heatmaps) - len(batch.frames.points)])
            targets = between(batch.frames.points, self._image, self._image.heatmap)
            terms = {SUPERVISED: self._supervised(labelled, targets)}
            if batch.clip is not None:
                poses = self._poses(unlabelled, batch.clip)
                for name, loss in self._unsupervised.items():
                    terms[name] = self._weights[name] * annealed(share_done) * loss(poses)
        return terms

    def _poses(self, heatmaps: torch.Tensor, clip: ClipBatch) -> ClipPoses:
        """Decode the keypoints of a clip in source pixels, by undoing the geometry of its augmentation.

        Args:
            heatmaps: heatmaps of the clip (frame, keypoint, height, width).
            clip: the clip.
        """
        heatmap_points, confidence = decode(heatmaps)
        augmented = between(heatmap_points, self._image.heatmap, self._image)
        image_points = augmented @ clip.undo[:, :2].T + clip.undo[:, 2]
        return ClipPoses(rescale(image_points, clip.source_ratio), confidence, heatmaps, heatmap_points)


class PoseModule(pl.LightningModule):
    """An objective with its optimizer and learning rates.

    Args:
        objective: the network and its losses.
        plan: the length of the training.
        learning_rate: the head's learning rate at its peak.
        pretrained: whether the backbone starts from pretrained weights and is therefore frozen at first.
        seed: the training's seed, for layers that draw random numbers, such as dropout.
        optimizer_state: ``state_dict`` of the optimizer in a checkpoint; None for a new optimizer.
    """

    def __init__(
        self,
        objective: Objective,
        plan: Plan,
        *,
        learning_rate: float,
        pretrained: bool,
        seed: int,
        optimizer_state: dict[str, Any] | None,
    ) -> None:
        super().__init__()
        self.objective = objective
        self.plan = plan
        self.terms: dict[str, torch.Tensor] = {}
        """The weighted loss terms of the last step, scalars that are detached from the graph."""
        self.skipped = torch.zeros(())
        """Whether the last step was skipped because its gradient was not finite: a scalar in float32, 0 or 1."""
        self._peak = learning_rate
        self._pretrained = pretrained
        self._seed = seed
        self._optimizer_state = optimizer_state

    def training_step(self, batch: TrainingBatch, index: int) -> torch.Tensor:
        """Compute the sum of the weighted losses of ``batch``, and keep the terms in ``terms``."""
        del index
        terms = self.objective(batch, self.plan.share_done(batch.step))
        self.terms = {name: value.detach() for name, value in terms.items()}
        return torch.stack(list(terms.values())).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam (Kingma and Ba, ICLR 2015), with the state of the checkpoint if training is resumed."""
        network = self.objective.network
        groups = [{"params": list(network.backbone.parameters())}, {"params": list(network.head.parameters())}]
        optimizer = torch.optim.Adam(groups, lr=self._peak, fused=True)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
            self._optimizer_state = None
        return optimizer

    def on_train_batch_start(self, batch: TrainingBatch, index: int) -> None:
        """Set the random seed and the learning rates, which depend on the step alone and are not in checkpoints."""
        del index
        # Dropout, which some backbones have, draws other numbers in every step and on every rank.
        torch.manual_seed((self._seed * 1_000_003 + batch.step) * 4096 + self.global_rank)
        share_done = self.plan.share_done(batch.step)
        head = self.learning_rate(batch.step)
        backbone, heads = self.optimizers().param_groups  # type: ignore[union-attr]  # there is one optimizer
        backbone["lr"] = head * backbone_factor(share_done, self._pretrained)
        heads["lr"] = head

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let ``optimizer`` change neither weights nor its own state in this step if the gradient is not finite.

        The gradients have been averaged over the ranks, so all ranks decide alike. The decision is made on the device:
        fused optimizers read ``found_inf``, which ``torch.amp.GradScaler`` sets for the same purpose, in their kernel,
        so that the CPU need not wait for it.
        """
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        largest = torch.nn.utils.get_total_norm(gradients, norm_type=float("inf"))
        self.skipped = torch.isfinite(largest).logical_not().float()
        optimizer.found_inf = self.skipped  # type: ignore[attr-defined]  # see torch.amp.GradScaler.step

    def learning_rate(self, step: int) -> float:
        """Return the head's learning rate in ``step``."""
        return self._peak * learning_rate_factor(self.plan.share_done(step))
