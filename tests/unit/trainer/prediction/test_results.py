import numpy as np
import pytest

from posefleet_trainer.prediction.results import pixel_error, temporal_norm


def test_pixel_error_is_the_euclidean_distance():
    predicted = np.array([[[3.0, 4.0], [1.0, 1.0]]])
    labels = np.array([[[0.0, 0.0], [np.nan, np.nan]]])
    error = pixel_error(predicted, labels)
    assert error[0, 0] == pytest.approx(5.0)
    assert np.isnan(error[0, 1])


def test_temporal_norm_has_a_row_for_each_frame():
    points = np.array([[[0.0, 0.0]], [[0.0, 2.0]], [[0.0, 2.0]]])
    norm = temporal_norm(points)
    assert np.isnan(norm[0, 0])
    assert norm[1:, 0] == pytest.approx([2.0, 0.0])


def test_a_video_of_no_frame_has_no_norm():
    assert temporal_norm(np.zeros((0, 2, 2))).shape == (0, 2)
