"""The training step, as Lightning runs it."""

from typing import Any

import pytorch_lightning as pl
import torch

from posefleet_trainer.loading.batches import TrainingBatch
from posefleet_trainer.training.objective import Objective
from posefleet_trainer.training.plan import Plan
from posefleet_trainer.training.schedule import backbone_factor, learning_rate_factor


class PoseModule(pl.LightningModule):
    """An objective and its optimizer.

    Args:
        objective: network and losses.
        plan: the length of the training.
        learning_rate: at its peak.
        pretrained: whether the backbone's weights were learned before.
        seed: of whatever in the network draws random numbers.
        optimizer_state: to go on from.
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
        """Of the last step, without gradients."""
        self._peak = learning_rate
        self._pretrained = pretrained
        self._seed = seed
        self._optimizer_state = optimizer_state

    def training_step(self, batch: TrainingBatch, index: int) -> torch.Tensor:
        """The sum of the weighted losses."""
        del index
        terms = self.objective(batch, self.plan.share_done(batch.step))
        self.terms = {name: value.detach() for name, value in terms.items()}
        return torch.stack(list(terms.values())).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, with the state that training goes on from."""
        network = self.objective.network
        groups = [{"params": list(network.backbone.parameters())}, {"params": list(network.head.parameters())}]
        optimizer = torch.optim.Adam(groups, lr=self._peak, fused=True)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
            self._optimizer_state = None
        return optimizer

    def on_train_batch_start(self, batch: TrainingBatch, index: int) -> None:
        """Set what depends on the step alone, so that a resumed training has it too."""
        del index
        # Dropout, where a backbone has it, draws from numbers of this step and rank.
        torch.manual_seed((self._seed * 1_000_003 + batch.step) * 4096 + self.global_rank)
        share_done = self.plan.share_done(batch.step)
        head = self.learning_rate(batch.step)
        backbone, heads = self.optimizers().param_groups  # type: ignore[union-attr]  # there is one optimizer
        backbone["lr"] = head * backbone_factor(share_done, self._pretrained)
        heads["lr"] = head

    def learning_rate(self, step: int) -> float:
        """The head's learning rate in ``step``."""
        return self._peak * learning_rate_factor(self.plan.share_done(step))
