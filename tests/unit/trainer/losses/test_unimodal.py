from dataclasses import replace

import torch

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
