import pytest
import torch

from posefleet_trainer.losses.temporal import TemporalLoss
from unit.trainer.losses.poses import poses_at


def test_a_slow_animal_costs_nothing():
    points = torch.stack([torch.full((2, 2), 5.0 + 0.5 * t) for t in range(4)])
    assert TemporalLoss(1.0)(poses_at(points)) == 0


def test_a_jump_costs_what_exceeds_epsilon():
    points = torch.full((3, 1, 2), 5.0)
    points[2, 0, 0] += 12.0
    assert torch.isclose(TemporalLoss(2.0)(poses_at(points)), torch.tensor(10.0 / 2))


def test_a_guess_is_not_pulled():
    points = torch.full((2, 1, 2), 5.0)
    points[1] += 20
    assert TemporalLoss(2.0)(poses_at(points, confidence=0.01)) == 0


def test_a_still_animal_has_gradients_that_are_numbers():
    points = torch.full((3, 1, 2), 5.0, requires_grad=True)
    TemporalLoss(0.0)(poses_at(points)).backward()
    assert points.grad is not None
    assert points.grad.isfinite().all()


@pytest.mark.parametrize("guess", [0, 1])
def test_a_guess_at_either_end_of_a_jump_does_not_count(guess: int):
    points = torch.full((2, 2, 2), 5.0)
    points[1, :, 0] += 20
    poses = poses_at(points)
    poses.confidence[guess, 0] = 0.01
    assert TemporalLoss(2.0)(poses).item() == pytest.approx(18.0)
    poses.confidence[:, 1] = 0.049
    assert TemporalLoss(2.0)(poses) == 0
    poses.confidence[:, 1] = 0.05
    assert TemporalLoss(2.0)(poses).item() == pytest.approx(18.0)


def test_moves_of_less_than_a_pixel_have_their_length_and_gradient():
    points = torch.tensor([[[5.0, 5.0]], [[5.3, 5.4]]], requires_grad=True)
    loss = TemporalLoss(0.0)(poses_at(points))
    loss.backward()
    assert loss.item() == pytest.approx(0.5, rel=1e-5)
    assert points.grad is not None
    assert points.grad.flatten().tolist() == pytest.approx([-0.6, -0.8, 0.6, 0.8], rel=1e-5)


def test_a_clip_of_guesses_has_gradients_of_zero():
    points = torch.tensor([[[5.0, 5.0]], [[9.0, 9.0]]], requires_grad=True)
    loss = TemporalLoss(0.0)(poses_at(points, confidence=0.0))
    loss.backward()
    assert loss == 0
    assert points.grad is not None
    assert (points.grad == 0).all()


def test_a_guess_in_the_middle_frame_leaves_no_pair_to_count():
    points = torch.tensor([[[5.0, 5.0]], [[15.0, 5.0]], [[35.0, 5.0]]])
    poses = poses_at(points)
    poses.confidence[1, 0] = 0.01
    assert TemporalLoss(0.0)(poses) == 0
