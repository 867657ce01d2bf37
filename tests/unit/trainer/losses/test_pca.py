from dataclasses import replace

import numpy as np
import pytest
import torch

from posefleet_trainer.dataset.pose_subspaces import PoseSubspace, fit_multi_view, fit_single_view
from posefleet_trainer.losses.pca import MultiViewPcaLoss, Reprojection, SingleViewPcaLoss
from unit.trainer.losses.poses import poses_at

RANDOM = np.random.default_rng(3)
#: Poses of four keypoints that two numbers make.
BASIS = RANDOM.normal(size=(2, 8))


def poses(count: int) -> np.ndarray:
    return (100 + 15 * RANDOM.normal(size=(count, 2)) @ BASIS).reshape(count, 4, 2)


def seen_twice(count: int) -> np.ndarray:
    """Two body parts in two views: keypoints 0 and 1 from one side, 2 and 3 from the other."""
    space = 50 * RANDOM.normal(size=(count, 2, 3))
    one, other = RANDOM.normal(size=(2, 3, 2))
    return np.concatenate([space @ one, space @ other], axis=1)


def as_clip(points: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(points.astype(np.float32))


def test_plausible_poses_cost_nothing_in_a_single_view():
    loss = SingleViewPcaLoss(fit_single_view(poses(60), 2, [0, 1, 2, 3]))
    assert loss(poses_at(as_clip(poses(10)))) < 1e-3


def test_an_implausible_keypoint_costs_and_is_pulled_back():
    subspace = fit_single_view(poses(60), 2, [0, 1, 2, 3])
    wrong = poses(1)
    wrong[0, 2] += 40.0
    points = as_clip(wrong).requires_grad_()

    loss = SingleViewPcaLoss(subspace)(poses_at(points))
    loss.backward()
    mended = points.detach() - 5.0 * points.grad

    assert loss > 1
    assert SingleViewPcaLoss(subspace)(poses_at(mended)) < loss


def test_views_that_agree_cost_nothing_and_one_that_strays_does():
    seen = seen_twice(60)
    loss = MultiViewPcaLoss(fit_multi_view(seen, [[0, 1], [2, 3]], 3))
    strayed = seen[:5].copy()
    strayed[:, 3, 0] += 60.0

    assert loss(poses_at(as_clip(seen[:5]))) < 1e-2
    assert loss(poses_at(as_clip(strayed))) > 1


def test_distances_are_those_of_the_fitted_subspace():
    subspace = fit_single_view(poses(60), 2, [0, 1, 2, 3])
    some = RANDOM.normal(size=(6, 4, 2)) * 50
    ours = Reprojection(subspace)(as_clip(some)).flatten(1).numpy()
    assert np.allclose(ours, subspace.error(some), rtol=1e-3)


def test_guesses_bring_no_loss_of_their_own():
    wrong = poses(2)
    wrong[:, 1] += 50
    loss = SingleViewPcaLoss(fit_single_view(poses(60), 2, [0, 1, 2, 3]))
    assert loss(poses_at(as_clip(wrong), confidence=0.01)) == 0


def test_what_the_network_is_sure_of_is_not_pulled_by_what_it_is_not():
    seen = seen_twice(60)
    strayed = seen[:1].copy()
    strayed[:, 3] += 60.0
    points = as_clip(strayed).requires_grad_()
    poses = poses_at(points)
    poses.confidence[0, 1] = 1.0

    MultiViewPcaLoss(fit_multi_view(seen, [[0, 1], [2, 3]], 3))(poses).backward()

    assert points.grad is not None
    assert (points.grad[0, 1] == 0).all()
    assert (points.grad[0, 3] != 0).any()


def a_subspace(epsilon: float = 2.0) -> PoseSubspace:
    """Keypoints 0 and 1, of which the plane keeps everything but the second one's y."""
    return PoseSubspace(np.array([[0, 1]]), np.zeros(4), np.eye(4)[:3], epsilon)


STRAYED = torch.tensor([[[4.0, 5.0], [6.0, 12.0]]])


@pytest.mark.parametrize("loss", [SingleViewPcaLoss, MultiViewPcaLoss])
@pytest.mark.parametrize("confidence", [0.05, 0.25, 0.75, 1.0])
def test_the_excess_counts_in_proportion_to_doubt(loss: type[torch.nn.Module], confidence: float):
    cost = loss(a_subspace())(poses_at(STRAYED, confidence))
    assert cost.item() == pytest.approx((12.0 - 2.0) * (1 - confidence) / 2)


def test_in_a_single_view_a_guess_leaves_the_other_keypoints_counted():
    poses = poses_at(STRAYED)
    poses.confidence[0, 0] = 0.01
    assert SingleViewPcaLoss(a_subspace())(poses).item() == pytest.approx(10.0 * 0.5)


def test_a_body_part_that_is_a_guess_in_one_view_does_not_count_in_any():
    poses = poses_at(STRAYED)
    poses.confidence[0, 0] = 0.01
    assert MultiViewPcaLoss(a_subspace())(poses) == 0


@pytest.mark.parametrize("loss", [SingleViewPcaLoss, MultiViewPcaLoss])
def test_neither_doubt_nor_reprojection_has_a_gradient(loss: type[torch.nn.Module]):
    points = STRAYED.clone().requires_grad_()
    confidence = torch.full((1, 2), 0.5, requires_grad=True)
    loss(a_subspace())(replace(poses_at(points), confidence=confidence)).backward()
    assert confidence.grad is None
    assert points.grad is not None
    assert points.grad.flatten().tolist() == pytest.approx([0, 0, 0, 0.25])


def test_subspaces_are_not_saved_with_the_network():
    assert SingleViewPcaLoss(a_subspace()).state_dict() == {}
    assert MultiViewPcaLoss(a_subspace()).state_dict() == {}


def test_a_guess_in_one_frame_leaves_the_other_frames_counted_in_several_views():
    poses = poses_at(STRAYED.repeat(2, 1, 1))
    poses.confidence[0, 0] = 0.01
    assert MultiViewPcaLoss(a_subspace())(poses).item() == pytest.approx(10.0 * 0.5 / 2)


def test_a_confidence_beyond_its_range_counts_as_its_limit():
    poses = poses_at(STRAYED)
    poses.confidence[:] = torch.tensor([-0.5, 1.5])
    assert poses.doubt.tolist() == [[1.0, 0.0]]


def test_the_mean_of_the_subspace_is_plausible():
    subspace = PoseSubspace(np.array([[1, 0]]), np.array([1.0, 2.0, 3.0, 4.0]), np.eye(4)[:1], 0.0)
    distances = Reprojection(subspace)(torch.tensor([[[3.0, 4.0], [9.0, 2.0]], [[3.0, 4.5], [0.0, 5.0]]]))
    assert distances.tolist() == [[[0.0, 0.0]], [[3.0, 0.5]]]
