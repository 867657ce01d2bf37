"""The unsupervised losses of a job: which ones its manifest turns on, their weights, and when they come in.

A new loss gets a file of its own beside this one and an entry in ``unsupervised_losses``.
"""

from dataclasses import dataclass

from torch import nn

from posefleet_api.model import Losses
from posefleet_trainer.dataset.pose_subspaces import PoseSpaces
from posefleet_trainer.losses.pca import MultiViewPcaLoss, SingleViewPcaLoss
from posefleet_trainer.losses.temporal import TemporalLoss
from posefleet_trainer.losses.unimodal import UnimodalLoss

#: Shares of the training between which the factor of the unsupervised losses rises from 0 to 1. Early keypoints are
#: too far off for these losses to pull them in the right direction.
RAMP_START, RAMP_END = 0.4, 0.7


@dataclass(frozen=True)
class WeightedLoss:
    """A loss on clips, and its factor: the loss's strength times the weight in the manifest."""

    loss: nn.Module
    weight: float


def unsupervised_losses(losses: Losses, spaces: PoseSpaces) -> dict[str, WeightedLoss]:
    """Build the losses that the manifest turns on.

    Args:
        losses: ``spec.losses`` of the manifest.
        spaces: the subspaces of the PCA losses that are on.

    Returns:
        The losses by their names in the manifest.
    """
    built: dict[str, WeightedLoss] = {}
    if "temporal" in losses.on:
        weight = TemporalLoss.strength * losses.temporal.weight
        built["temporal"] = WeightedLoss(TemporalLoss(losses.temporal.epsilon_pixels), weight)
    if "pcaSingleView" in losses.on and spaces.single_view:
        weight = SingleViewPcaLoss.strength * losses.pca_single_view.weight
        built["pcaSingleView"] = WeightedLoss(SingleViewPcaLoss(spaces.single_view), weight)
    if "pcaMultiView" in losses.on and spaces.multi_view:
        weight = MultiViewPcaLoss.strength * losses.pca_multi_view.weight
        built["pcaMultiView"] = WeightedLoss(MultiViewPcaLoss(spaces.multi_view), weight)
    if "unimodal" in losses.on:
        built["unimodal"] = WeightedLoss(UnimodalLoss(), UnimodalLoss.strength * losses.unimodal.weight)
    return built


def annealed(share_done: float) -> float:
    """Return the factor of the unsupervised losses when ``share_done`` (0 to 1) of the steps are done."""
    return min(1.0, max(0.0, (share_done - RAMP_START) / (RAMP_END - RAMP_START)))
