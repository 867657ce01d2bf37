import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.losses.heatmap import TARGET_SIGMA
from posefleet_trainer.models.heatmaps import decode, gaussian_targets, heatmaps_of

inside = st.floats(4, 27)


@given(inside, inside)
def test_a_peak_is_found_to_a_twentieth_of_a_heatmap_pixel(x: float, y: float):
    truth = torch.tensor([[[x, y]]])

    points, confidence = decode(gaussian_targets(truth, 32, 32, TARGET_SIGMA))

    assert (points - truth).norm() < 0.05
    assert 0.95 < confidence.item() <= 1.0001


def test_a_distant_second_peak_does_not_pull_the_keypoint():
    maps = gaussian_targets(torch.tensor([[[8.0, 8.0]]]), 32, 32, TARGET_SIGMA) * 0.6
    maps = maps + gaussian_targets(torch.tensor([[[25.0, 25.0]]]), 32, 32, TARGET_SIGMA) * 0.4

    points, confidence = decode(maps)

    assert (points - torch.tensor([8.0, 8.0])).norm() < 0.05
    assert abs(confidence.item() - 0.6) < 0.02


def test_a_flat_map_has_almost_no_confidence():
    _, confidence = decode(heatmaps_of(torch.zeros(1, 1, 32, 32)))
    assert confidence.item() < 0.05


def test_peaks_at_the_border_stay_in_the_picture():
    points, _ = decode(gaussian_targets(torch.tensor([[[0.0, 31.0]]]), 32, 32, TARGET_SIGMA))
    assert (points >= 0).all()
    assert (points <= 31).all()


def test_keypoints_have_gradients():
    logits = torch.randn(2, 3, 16, 16, requires_grad=True)
    decode(heatmaps_of(logits))[0].sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().sum() > 0


def test_a_missing_label_gives_an_empty_target():
    targets = gaussian_targets(torch.tensor([[[3.0, 4.0], [torch.nan, torch.nan]]]), 16, 16, TARGET_SIGMA)
    assert torch.allclose(targets.sum(dim=(-2, -1)), torch.tensor([[1.0, 0.0]]))


def test_width_and_height_of_a_map_are_not_confused():
    truth = torch.tensor([[[33.25, 6.5]]])
    targets = gaussian_targets(truth, 12, 40, TARGET_SIGMA)
    points, _ = decode(targets)
    assert targets.shape == (1, 1, 12, 40)
    assert (points - truth).norm() < 0.05


def test_the_window_reaches_three_pixels_around_the_peak():
    maps = torch.zeros(1, 1, 9, 15)
    maps[..., 4, 7], maps[..., 4, 10], maps[..., 4, 11], maps[..., 1, 7] = 0.4, 0.2, 0.3, 0.1
    points, confidence = decode(maps)
    assert confidence.item() == pytest.approx(0.7)
    assert points.flatten().tolist() == pytest.approx([(7 * 0.5 + 10 * 0.2) / 0.7, (4 * 0.6 + 1 * 0.1) / 0.7])


def test_heatmaps_are_the_softmax_of_each_map_in_single_precision():
    logits = torch.tensor([[[[0.0, 0.0], [0.0, 0.0]], [[2.0, 0.0], [0.0, -2.0]]]], dtype=torch.float16)
    maps = heatmaps_of(logits)
    assert maps.dtype == torch.float32
    assert maps.shape == logits.shape
    assert maps[0, 0].flatten().tolist() == pytest.approx([0.25] * 4)
    assert maps[0, 1].flatten().tolist() == pytest.approx([0.775803, 0.104994, 0.104994, 0.014209], abs=1e-5)


def test_every_map_of_a_batch_is_decoded_by_itself():
    truth = torch.tensor([[[10.0, 4.0], [5.0, 7.0], [14.0, 5.0]], [[6.0, 6.0], [12.0, 7.0], [9.0, 4.0]]])
    maps = gaussian_targets(truth, 12, 20, TARGET_SIGMA)
    points, confidence = decode(maps)
    assert torch.allclose(points, truth, atol=0.02)
    assert confidence.shape == (2, 3)
    assert torch.allclose(confidence, torch.full((2, 3), 0.9905), atol=5e-3)


def test_a_smaller_window_sees_less():
    maps = torch.zeros(1, 1, 5, 7)
    maps[0, 0, 2, 3], maps[0, 0, 2, 4], maps[0, 0, 2, 5], maps[0, 0, 0, 3] = 0.4, 0.2, 0.3, 0.1
    points, confidence = decode(maps, radius=1)
    assert confidence.item() == pytest.approx(0.6)
    assert points.flatten().tolist() == pytest.approx([(3 * 0.4 + 4 * 0.2) / 0.6, 2.0])


def test_an_empty_map_is_decoded_to_the_origin_without_confidence():
    maps = torch.zeros(1, 1, 6, 8, requires_grad=True)
    points, confidence = decode(maps)
    (points.sum() + confidence.sum()).backward()
    assert points.tolist() == [[[0.0, 0.0]]]
    assert confidence.tolist() == [[0.0]]


def test_maps_are_decoded_in_their_own_precision_on_their_own_device():
    points, confidence = decode(torch.full((1, 1, 8, 8), 1 / 64, dtype=torch.float64))
    assert points.dtype == confidence.dtype == torch.float64
    points, confidence = decode(torch.zeros(1, 1, 8, 8, device="meta"))
    assert points.device.type == confidence.device.type == "meta"


def test_targets_are_made_in_the_precision_and_on_the_device_of_their_points():
    assert gaussian_targets(torch.zeros(1, 1, 2, dtype=torch.float64), 8, 8, 1.0).dtype == torch.float64
    assert gaussian_targets(torch.zeros(1, 1, 2, device="meta"), 8, 8, 1.0).device.type == "meta"


def test_a_target_is_a_gaussian_of_its_sigma_that_sums_to_one():
    target = gaussian_targets(torch.tensor([[[1.0, 0.0]]]), 2, 3, 2.0)[0, 0]
    side = 0.882497  # exp(-1 / (2 * 2.0 ** 2))
    columns, rows = torch.tensor([side, 1.0, side]) / (1 + 2 * side), torch.tensor([1.0, side]) / (1 + side)
    assert torch.allclose(target, rows[:, None] * columns, atol=1e-5)


def test_a_point_far_outside_the_map_gives_an_empty_target():
    targets = gaussian_targets(torch.tensor([[[1000.0, 4.0], [4.0, -1000.0]]]), 8, 8, TARGET_SIGMA)
    assert (targets == 0).all()


def test_a_point_just_outside_the_map_still_has_a_target_that_sums_to_one():
    target = gaussian_targets(torch.tensor([[[-7.0, 4.0]]]), 8, 8, TARGET_SIGMA)
    assert target.sum().item() == pytest.approx(1.0)
