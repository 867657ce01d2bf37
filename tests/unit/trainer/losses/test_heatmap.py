import torch

from posefleet_trainer.losses.heatmap import TARGET_SIGMA, HeatmapLoss
from posefleet_trainer.models.heatmaps import gaussian_targets, heatmaps_of

POINTS = torch.tensor([[[5.0, 6.0], [20.5, 11.25]]])


def test_the_targets_themselves_cost_nothing():
    assert HeatmapLoss()(gaussian_targets(POINTS, 32, 32, TARGET_SIGMA), POINTS) == 0


def test_farther_is_worse_as_long_as_peaks_overlap():
    near = HeatmapLoss()(gaussian_targets(POINTS + 0.5, 32, 32, TARGET_SIGMA), POINTS)
    far = HeatmapLoss()(gaussian_targets(POINTS + 1.5, 32, 32, TARGET_SIGMA), POINTS)
    assert 0 < near < far


def test_a_missing_label_has_no_say():
    one_missing = POINTS.clone()
    one_missing[0, 1] = torch.nan
    maps = gaussian_targets(POINTS + 1.0, 32, 32, TARGET_SIGMA)

    alone = HeatmapLoss()(maps[:, :1], POINTS[:, :1])

    assert torch.isclose(HeatmapLoss()(maps, one_missing), alone)


def test_no_label_at_all_gives_a_loss_of_zero_with_gradients():
    logits = torch.randn(1, 2, 16, 16, requires_grad=True)
    loss = HeatmapLoss()(heatmaps_of(logits), torch.full((1, 2, 2), torch.nan))
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_larger_maps_do_not_shrink_the_loss():
    def loss(side: int) -> torch.Tensor:
        shifted = gaussian_targets(POINTS + 1.0, side, side, TARGET_SIGMA)
        return HeatmapLoss()(shifted, POINTS)

    assert torch.isclose(loss(32), loss(64), rtol=1e-3)


def test_the_loss_is_the_squared_distance_summed_over_a_map_and_averaged_over_labelled_keypoints():
    flat = torch.full((1, 2, 8, 12), 1 / 96)
    points = torch.tensor([[[5.0, 4.0], [torch.nan, 4.0]]])
    target = gaussian_targets(points, 8, 12, TARGET_SIGMA)[0, 0]
    assert torch.isclose(HeatmapLoss()(flat, points), (1 / 96 - target).square().sum())


def test_the_loss_is_the_mean_over_all_labelled_keypoints_of_all_frames():
    flat = torch.full((3, 2, 8, 12), 1 / 96)
    points = torch.tensor([[[5.0, 4.0], [3.0, 2.0]], [[6.0, 5.0], [7.0, 3.0]], [[1.0, 1.0], [torch.nan, torch.nan]]])
    loss = HeatmapLoss()
    each = [loss(flat[:1, :1], points[frame : frame + 1, k : k + 1]) for frame in range(3) for k in range(2)]
    assert torch.isclose(loss(flat, points), sum(each[:5]) / 5)
