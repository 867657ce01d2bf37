import cv2
import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from posefleet_api.model import ImageSize, Model
from posefleet_trainer.models.coordinates import Grid, between, image_grid

grids = st.builds(Grid, st.integers(64, 2048), st.integers(64, 2048))


@given(grids, grids, st.floats(0, 1), st.floats(0, 1))
def test_a_point_comes_back_from_another_grid(source: Grid, target: Grid, x: float, y: float):
    point = np.array([x * source.width, y * source.height])

    assert np.allclose(between(between(point, source, target), target, source), point, atol=1e-6)


@given(grids, grids)
def test_corners_of_the_picture_are_corners_on_every_grid(source: Grid, target: Grid):
    corners = np.array([[-0.5, -0.5], [source.width - 0.5, source.height - 0.5]])

    moved = between(corners, source, target)

    assert np.allclose(moved, [[-0.5, -0.5], [target.width - 0.5, target.height - 0.5]])


def test_points_move_as_resized_pictures_do():
    picture = np.zeros((100, 200), dtype=np.float32)
    picture[40:44, 80:90] = 1.0
    source, target = Grid(100, 200), Grid(50, 40)
    small = cv2.resize(picture, (target.width, target.height), interpolation=cv2.INTER_AREA)
    rows, columns = np.mgrid[: target.height, : target.width]

    centre = np.array([(small * columns).sum(), (small * rows).sum()]) / small.sum()

    assert np.allclose(between(np.array([84.5, 41.5]), source, target), centre, atol=1e-4)


def test_tensors_keep_their_gradient():
    points = torch.zeros(3, 2, requires_grad=True)
    between(points, Grid(64, 64), Grid(256, 256)).sum().backward()
    assert points.grad is not None
    assert torch.equal(points.grad, torch.full((3, 2), 4.0))


def test_heatmaps_have_a_quarter_of_the_size_and_ratios_are_along_x_and_y():
    assert Grid(64, 128).heatmap == Grid(16, 32)
    assert Grid(10, 20).ratio_to(Grid(30, 40)) == (2.0, 3.0)


def test_the_image_grid_is_the_size_in_the_manifest():
    assert image_grid(Model(image_size=ImageSize(height=96, width=160))) == Grid(96, 160)


def test_arrays_and_tensors_keep_their_type():
    source, target = Grid(64, 64), Grid(16, 32)
    assert between(np.ones(2, dtype=np.float32), source, target).dtype == np.float32
    assert between(np.ones(2), source, target).dtype == np.float64
    assert between(torch.ones(2, dtype=torch.float64), source, target).dtype == torch.float64
    assert between(torch.ones(2), source, target).dtype == torch.float32


def test_points_keep_their_distance_from_the_corner_of_the_picture_in_shares_of_it():
    assert between(np.array([[3.5, 7.5], [0.0, 0.0]]), Grid(16, 8), Grid(4, 4)).tolist() == [
        [1.5, 1.5],
        [-0.25, -0.375],
    ]
    assert between(torch.tensor([3.5, 7.5]), Grid(16, 8), Grid(4, 4)).tolist() == [1.5, 1.5]


def test_heatmaps_of_an_image_that_is_no_multiple_of_four_are_rounded_down():
    assert Grid(67, 131).heatmap == Grid(16, 32)
