import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posefleet_trainer.dataset.pose_subspaces import fit_multi_view, fit_single_view
from posefleet_trainer.errors import InvalidInput


def poses_in_a_plane(frames: int, keypoints: int, dimensions: int, noise: float = 0.0) -> np.ndarray:
    generator = np.random.default_rng(3)
    basis = generator.normal(size=(dimensions, 2 * keypoints))
    flat = 100 + 20 * generator.normal(size=(frames, dimensions)) @ basis
    return (flat + noise * generator.normal(size=flat.shape)).reshape(frames, keypoints, 2)


def test_poses_of_the_plane_have_no_error_and_others_have_their_distance():
    points = poses_in_a_plane(50, 4, 3)
    plane = fit_single_view(points, 3, range(4))

    assert plane.components.shape == (3, 8)
    assert plane.error(points).max() < 1e-9
    assert plane.epsilon_pixels < 1e-9
    away = np.zeros(8)
    away[:2] = [3, 4]
    away -= away @ plane.components.T @ plane.components
    assert plane.error(points[0] + away.reshape(4, 2))[0] == pytest.approx(np.linalg.norm(away[:2]))


def test_share_of_the_variance_chooses_the_components():
    points = poses_in_a_plane(80, 4, 2, noise=0.01)
    assert fit_single_view(points, 0.99, range(4)).components.shape[0] == 2
    assert fit_single_view(points, 5, range(4)).components.shape[0] == 5


def test_frames_with_missing_points_are_left_out_and_score_nan():
    points = poses_in_a_plane(40, 3, 2)
    plane = fit_single_view(points, 2, range(3))
    points[5, 1] = np.nan
    again = fit_single_view(points, 2, range(3))

    assert np.isnan(again.error(points)[5]).all()
    assert not np.isnan(np.delete(again.error(points), 5, axis=0)).any()
    assert np.allclose(again.error(points[6:]), plane.error(points[6:]), atol=1e-6)


def test_epsilon_is_the_99th_percentile_of_the_labels_own_errors():
    points = poses_in_a_plane(300, 4, 3, noise=1.0)
    plane = fit_single_view(points, 3, [0, 2, 3])
    assert np.mean(plane.error(points) <= plane.epsilon_pixels) == pytest.approx(0.99, abs=0.002)


def test_views_of_points_in_space_lie_on_three_components():
    generator = np.random.default_rng(0)
    space = generator.normal(size=(30, 4, 3)) * 50
    cameras = generator.normal(size=(2, 3, 2))
    points = np.concatenate([space @ cameras[0] + 200, space @ cameras[1] + 100], axis=1)
    views = [[0, 1, 2, 3], [4, 5, 6, 7]]

    plane = fit_multi_view(points, views, 3)

    assert plane.keypoints.tolist() == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert plane.error(points).shape == (30, 8)
    assert plane.error(points).max() < 1e-6
    points[0, 4] += 30
    wrong = plane.error(points)[0]
    assert wrong[:2].min() > 1
    assert wrong[2:].max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(shift=st.floats(-500, 500), batch=st.sampled_from([(), (2,), (2, 3)]))
def test_error_takes_any_leading_shape(shift: float, batch: tuple[int, ...]):
    plane = fit_single_view(poses_in_a_plane(30, 3, 2, noise=0.5), 2, range(3))
    points = np.full((*batch, 3, 2), shift, dtype=np.float32)
    assert plane.error(points).shape == (*batch, 3)
    assert np.all(plane.error(points) >= 0)


def test_too_few_labelled_frames_say_how_many_are_needed_and_what_to_do():
    points = poses_in_a_plane(20, 4, 3)
    points[6:, 2] = np.nan
    with pytest.raises(InvalidInput, match=r"losses.pcaSingleView needs at least 8 frames .* there are 6; label more"):
        fit_single_view(points, 0.9, range(4))
    assert fit_single_view(points, 0.9, [0, 1, 3]).components.shape[1] == 6


def test_too_few_body_parts_in_all_views_are_refused():
    points = np.full((3, 2, 2), np.nan)
    with pytest.raises(InvalidInput, match=r"losses.pcaMultiView needs at least 4 body parts .* there are 0"):
        fit_multi_view(points, [[0], [1]], 3)


def test_as_many_components_as_coordinates_are_refused():
    with pytest.raises(InvalidInput, match="nothing would be penalised"):
        fit_multi_view(poses_in_a_plane(30, 2, 3), [[0], [1]], 4)


def test_poses_that_never_move_have_a_plane_too():
    plane = fit_single_view(np.ones((20, 3, 2)), 0.99, range(3))
    assert plane.error(np.ones((3, 2))).tolist() == [0, 0, 0]
