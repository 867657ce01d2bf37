"""From a manifest's losses to the losses on clips."""

from dataclasses import dataclass

from torch import nn

from posefleet_api.model import Losses
from posefleet_trainer.dataset.pose_spaces import PoseSpaces
from posefleet_trainer.losses.pca_multi_view import MultiViewPcaLoss
from posefleet_trainer.losses.pca_single_view import SingleViewPcaLoss
from posefleet_trainer.losses.temporal import TemporalLoss
from posefleet_trainer.losses.unimodal import UnimodalLoss


@dataclass(frozen=True)
class WeightedLoss:
    """A loss on clips and what it is multiplied with: its strength times the manifest's weight."""

    loss: nn.Module
    weight: float


def unsupervised_losses(losses: Losses, spaces: PoseSpaces) -> dict[str, WeightedLoss]:
    """The losses that the manifest turns on, by their names there."""
    built: dict[str, WeightedLoss] = {}
    if losses.temporal:
        weight = TemporalLoss.strength * losses.temporal.weight
        built["temporal"] = WeightedLoss(TemporalLoss(losses.temporal.epsilon_pixels), weight)
    if losses.pca_single_view and spaces.single_view:
        weight = SingleViewPcaLoss.strength * losses.pca_single_view.weight
        built["pcaSingleView"] = WeightedLoss(SingleViewPcaLoss(spaces.single_view), weight)
    if losses.pca_multi_view and spaces.multi_view:
        weight = MultiViewPcaLoss.strength * losses.pca_multi_view.weight
        built["pcaMultiView"] = WeightedLoss(MultiViewPcaLoss(spaces.multi_view), weight)
    if losses.unimodal:
        built["unimodal"] = WeightedLoss(UnimodalLoss(), UnimodalLoss.strength * losses.unimodal.weight)
    return built
