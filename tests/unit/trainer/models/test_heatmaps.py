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
