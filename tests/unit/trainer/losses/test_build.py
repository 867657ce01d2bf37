import pytest

from posefleet_api.model import Losses, TemporalLoss, UnimodalLoss
from posefleet_trainer.dataset.pose_subspaces import PoseSpaces
from posefleet_trainer.losses import temporal
from posefleet_trainer.losses.build import BEGINS, FULL, annealed, unsupervised_losses


def test_only_what_the_manifest_turns_on_is_built_with_its_weight():
    losses = Losses(temporal=TemporalLoss(weight=2.0, epsilon_pixels=7.0), unimodal=UnimodalLoss())

    built = unsupervised_losses(losses, PoseSpaces(None, None))

    assert list(built) == ["temporal", "unimodal"]
    assert built["temporal"].weight == 2.0 * temporal.TemporalLoss.strength
    assert built["temporal"].loss.epsilon_pixels == 7.0


def test_unsupervised_losses_come_in_gradually():
    assert annealed(0.0) == annealed(BEGINS) == 0
    assert annealed((BEGINS + FULL) / 2) == pytest.approx(0.5)
    assert annealed(FULL) == annealed(1.0) == 1
