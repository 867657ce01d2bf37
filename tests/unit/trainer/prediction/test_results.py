"""Errors of predictions, on poses small enough to calculate by hand."""

import numpy as np
import pytest

from posefleet_trainer.dataset.pose_subspaces import PoseSpaces, PoseSubspace
from posefleet_trainer.prediction.results import Poses, pca_errors, pixel_error, temporal_norm, video_results


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


def two_views_of_three_body_parts() -> PoseSubspace:
    """Return a subspace of pairs (body part in view 0, in view 1) that accepts points equal in both views."""
    keypoints = np.array([[0, 3], [1, 4], [2, 5]])
    components = np.array([[1.0, 0, 1, 0], [0, 1.0, 0, 1]]) / np.sqrt(2)
    return PoseSubspace(keypoints, np.zeros(4), components, epsilon_pixels=1.5)


def test_multi_view_errors_are_those_of_the_keypoints_that_disagree():
    points = np.zeros((1, 6, 2), np.float32)
    points[0, 1] = (8.0, 6.0)
    errors = pca_errors(two_views_of_three_body_parts(), Poses(points, np.ones((1, 6), np.float32)))
    assert errors is not None
    by_keypoint = dict(zip(errors.keypoints, errors.pixels[0].tolist(), strict=True))
    assert by_keypoint == pytest.approx({0: 0, 1: 5, 2: 0, 3: 0, 4: 5, 5: 0})
    assert errors.epsilon_pixels == 1.5


def test_single_view_and_multi_view_errors_are_kept_apart():
    plane = PoseSubspace(np.array([[5]]), np.zeros(2), np.array([[1.0, 0.0]]), epsilon_pixels=0.5)
    poses = Poses(np.full((2, 6, 2), 3.0, np.float32), np.ones((2, 6), np.float32))
    results = video_results(poses, PoseSpaces(plane, two_views_of_three_body_parts()))
    assert results.single_view is not None
    assert results.single_view.keypoints == [5]
    assert results.single_view.pixels == pytest.approx(np.full((2, 1), 3.0))
    assert results.multi_view is not None
    assert results.multi_view.pixels == pytest.approx(np.zeros((2, 6)), abs=1e-5)
    assert video_results(poses, PoseSpaces(None, None)).multi_view is None
