import numpy as np
import pytest

from posefleet_api.model import Losses, MultiViewPcaLoss, SingleViewPcaLoss, TemporalLoss, UnimodalLoss
from posefleet_trainer.dataset.pose_subspaces import PoseSpaces, PoseSubspace
from posefleet_trainer.losses import pca, temporal, unimodal
from posefleet_trainer.losses.build import RAMP_END, RAMP_START, annealed, unsupervised_losses


def test_only_what_the_manifest_turns_on_is_built_with_its_weight():
    losses = Losses(
        temporal=TemporalLoss(weight=2.0, epsilon_pixels=7),
        pca_single_view=SingleViewPcaLoss(weight=0.0),
        unimodal=UnimodalLoss(weight=1.0),
    )

    built = unsupervised_losses(losses, PoseSpaces(None, None))

    assert list(built) == ["temporal", "unimodal"]
    assert built["temporal"].weight == 2.0 * temporal.TemporalLoss.strength
    assert built["temporal"].loss.epsilon_pixels == 7.0


def test_unsupervised_losses_come_in_gradually():
    assert annealed(0.0) == annealed(RAMP_START) == 0
    assert annealed((RAMP_START + RAMP_END) / 2) == pytest.approx(0.5)
    assert annealed(RAMP_END) == annealed(1.0) == 1


def test_the_weights_of_all_losses_are_those_of_the_manifest_times_their_strengths():
    losses = Losses(
        temporal=TemporalLoss(weight=2.0),
        pca_single_view=SingleViewPcaLoss(weight=3.0),
        pca_multi_view=MultiViewPcaLoss(weight=5.0, views=[[0], [1]]),
        unimodal=UnimodalLoss(weight=7.0),
    )
    subspace = PoseSubspace(np.array([[0, 1]]), np.zeros(4), np.eye(4)[:2], 1.5)

    built = unsupervised_losses(losses, PoseSpaces(subspace, subspace))

    assert {name: one.weight for name, one in built.items()} == pytest.approx(
        {"temporal": 2 * 0.0003, "pcaSingleView": 3 * 0.001, "pcaMultiView": 5 * 0.003, "unimodal": 7 * 0.1}
    )
    assert [type(one.loss) for one in built.values()] == [
        temporal.TemporalLoss,
        pca.SingleViewPcaLoss,
        pca.MultiViewPcaLoss,
        unimodal.UnimodalLoss,
    ]
    assert built["pcaSingleView"].loss.epsilon_pixels == built["pcaMultiView"].loss.epsilon_pixels == 1.5


def test_a_manifest_that_turns_all_losses_off_builds_none():
    off = Losses(temporal=TemporalLoss(weight=0.0), pca_single_view=SingleViewPcaLoss(weight=0.0))
    subspace = PoseSubspace(np.array([[0, 1]]), np.zeros(4), np.eye(4)[:2], 1.5)
    assert unsupervised_losses(off, PoseSpaces(subspace, subspace)) == {}


def test_a_pca_loss_without_a_subspace_is_left_out():
    losses = Losses(temporal=TemporalLoss(weight=0.0), pca_multi_view=MultiViewPcaLoss(views=[[0], [1]]))
    assert unsupervised_losses(losses, PoseSpaces(None, None)) == {}


@pytest.mark.parametrize(
    ("share_done", "factor"), [(0.39, 0), (0.4, 0), (0.475, 0.25), (0.55, 0.5), (0.625, 0.75), (0.7, 1), (0.71, 1)]
)
def test_the_factor_rises_between_four_and_seven_tenths_of_the_steps(share_done: float, factor: float):
    assert annealed(share_done) == pytest.approx(factor)
