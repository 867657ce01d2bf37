from dataclasses import replace

import torch

from posefleet_trainer.losses.heatmap import HeatmapLoss
from posefleet_trainer.losses.unimodal import UnimodalLoss
from unit.trainer.losses.poses import poses_at

ONE = torch.tensor([[[8.0, 8.0]]])


def test_one_peak_costs_nothing():
    assert UnimodalLoss()(poses_at(ONE)) < 1e-6


def test_a_second_peak_costs():
    second = poses_at(torch.tensor([[[24.0, 24.0]]]))
    first = poses_at(ONE)
    both = replace(first, heatmaps=0.5 * first.heatmaps + 0.5 * second.heatmaps)
    assert UnimodalLoss()(both) > 0.01


def test_the_keypoint_itself_is_not_moved():
    points = ONE.clone().requires_grad_()
    poses = replace(poses_at(ONE), heatmap_points=points, heatmaps=poses_at(ONE + 1).heatmaps.requires_grad_())
    UnimodalLoss()(poses).backward()
    assert points.grad is None


def test_a_guess_is_left_alone_and_the_rest_counts_as_if_it_were_alone():
    flat = torch.full((1, 2, 32, 32), 1 / 1024)
    both = torch.tensor([[[8.0, 8.0], [20.0, 20.0]]])
    poses = replace(poses_at(both), heatmaps=flat)
    alone = UnimodalLoss()(replace(poses_at(both[:, :1]), heatmaps=flat[:, :1]))
    poses.confidence[0, 1] = 0.01
    assert alone > 0.01
    assert torch.isclose(UnimodalLoss()(poses), alone)
    poses.confidence[0, 0] = 0.01
    assert UnimodalLoss()(poses) == 0


def test_the_loss_is_that_of_the_heatmap_loss_at_the_decoded_keypoints():
    flat = torch.full((2, 1, 32, 32), 1 / 1024)
    points = torch.tensor([[[8.0, 9.0]], [[20.0, 21.0]]])
    loss = UnimodalLoss()(replace(poses_at(points), heatmaps=flat))
    assert torch.isclose(loss, HeatmapLoss()(flat, points))
    assert loss > 0.01
