"""When the unsupervised losses come in."""

from dataclasses import dataclass

from torch import nn

from posefleet_api.model import Losses
from posefleet_trainer.dataset.pose_subspaces import PoseSpaces
from posefleet_trainer.losses.pca import MultiViewPcaLoss, SingleViewPcaLoss
from posefleet_trainer.losses.temporal import TemporalLoss
from posefleet_trainer.losses.unimodal import UnimodalLoss

#: Shares of the training. Before, the network's keypoints are too far off for the losses to say anything true.
BEGINS, FULL = 0.4, 0.7


def annealed(share_done: float) -> float:
    """The factor of the unsupervised losses when ``share_done`` (0 to 1) of the steps are done: a ramp from 0 to 1."""
    return min(1.0, max(0.0, (share_done - BEGINS) / (FULL - BEGINS)))


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
