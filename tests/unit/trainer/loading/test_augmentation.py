import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.loading.augmentation import (
    CLIP_RANGE,
    Augmentation,
    about_centre,
    apply,
    clip_augmentation,
    frame_augmentation,
    inverse,
    noise_bank,
    with_corner_origin,
)
from posefleet_trainer.models.coordinates import Grid

IMAGE = Grid(128, 192)
seeds, samples = st.integers(0, 2**31 - 1), st.integers(0, 2**40)


def same(one: Augmentation, other: Augmentation) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in vars(one))


@given(seeds, samples)
def test_parameters_depend_on_seed_and_sample_alone(seed: int, sample: int):
    assert same(frame_augmentation(seed, sample, IMAGE), frame_augmentation(seed, sample, IMAGE))
    assert not same(frame_augmentation(seed, sample, IMAGE), frame_augmentation(seed, sample + 1, IMAGE))
    assert not same(frame_augmentation(seed, sample, IMAGE), frame_augmentation(seed + 1, sample, IMAGE))


@given(seeds, samples, st.floats(0, 191), st.floats(0, 127))
def test_geometry_is_undone_by_its_inverse(seed: int, sample: int, x: float, y: float):
    matrix = clip_augmentation(seed, sample, IMAGE).matrix
    point = np.array([x, y])
    assert np.allclose(apply(inverse(matrix), apply(matrix, point)), point, atol=1e-9)


@given(seeds, samples)
def test_a_clip_is_turned_and_scaled_within_its_strength(seed: int, sample: int):
    linear = clip_augmentation(seed, sample, IMAGE).matrix[:, :2]
    scale = np.sqrt(np.linalg.det(linear))
    degrees = np.degrees(np.arctan2(linear[1, 0], linear[0, 0]))
    assert CLIP_RANGE.scale[0] - 1e-9 <= scale <= CLIP_RANGE.scale[1] + 1e-9
    assert abs(degrees) <= CLIP_RANGE.rotation_degrees


@given(seeds, samples)
def test_dropped_rectangles_and_noise_lie_inside(seed: int, sample: int):
    drawn = frame_augmentation(seed, sample, IMAGE)
    assert (drawn.dropped_anchors >= 0).all()
    assert (drawn.dropped_anchors + drawn.dropped_shapes <= (IMAGE.height + 1, IMAGE.width + 1)).all()
    bank = noise_bank(seed % 3, IMAGE)
    assert (drawn.noise_place + np.array([IMAGE.height, IMAGE.width]) <= bank.shape[:2]).all()


@given(st.floats(-180, 180), st.floats(0.5, 2), st.floats(-1, 1), st.floats(-1, 1))
def test_a_map_with_its_origin_in_the_corner_moves_points_by_the_same_distance(
    degrees: float, scale: float, x: float, y: float
):
    matrix = about_centre(IMAGE, degrees=degrees, scale=scale, shift=np.array([x, y]))
    point = np.array([10.0, 20.0])
    assert np.allclose(apply(with_corner_origin(matrix), point + 0.5), apply(matrix, point) + 0.5)


def test_pictures_turn_about_their_centre_and_then_move_by_shares_of_their_size():
    matrix = about_centre(IMAGE, degrees=90, scale=2, shift=np.array([0.25, 0.5]))
    centre = np.array([95.5, 63.5])
    assert np.allclose(apply(matrix, centre), centre + np.array([48, 64]))
    assert np.allclose(apply(matrix, centre + np.array([1, 0])), centre + np.array([48, 66]))


def test_clips_lose_no_rectangles_and_frames_lose_some():
    assert all((clip_augmentation(0, sample, IMAGE).dropped_shapes == 0).all() for sample in range(20))
    dropped = [(frame_augmentation(0, sample, IMAGE).dropped_shapes > 0).any(axis=1).sum() for sample in range(100)]
    assert set(dropped) == {0, 1, 2, 3, 4}


def test_frames_span_their_whole_range_of_augmentation():
    drawn = [frame_augmentation(0, sample, IMAGE) for sample in range(300)]
    scales = [np.sqrt(np.linalg.det(one.matrix[:, :2])) for one in drawn]
    degrees = [np.degrees(np.arctan2(one.matrix[1, 0], one.matrix[0, 0])) for one in drawn]
    for values, low, high in (
        (scales, 0.8, 1.25),
        (degrees, -25, 25),
        ([one.brightness for one in drawn], 0.75, 1.25),
        ([one.contrast for one in drawn], 0.75, 1.25),
        ([one.noise for one in drawn], 0, 10),
    ):
        edge = (high - low) / 20
        assert low <= min(values) < low + edge
        assert high - edge < max(values) <= high


def test_the_augmentation_of_a_frame_stays_what_it_is():
    drawn = frame_augmentation(3, 4, Grid(64, 96))
    assert drawn.matrix.tolist() == [
        pytest.approx([0.9545806650434656, 0.3185289795103826, -12.38342161072307]),
        pytest.approx([-0.3185289795103826, 0.9545806650434656, 22.53104705001303]),
    ]
    assert drawn.brightness == pytest.approx(0.7760447868136506)
    assert drawn.contrast == pytest.approx(1.0491571779047681)
    assert drawn.noise == pytest.approx(9.184689841542001)
    assert drawn.noise_place.tolist() == [52, 76]
    assert drawn.dropped_anchors.tolist() == [[8, 17], [51, 43], [26, 94], [62, 59]]
    assert drawn.dropped_shapes.tolist() == [[13, 13], [5, 16], [0, 0], [0, 0]]


def test_the_augmentation_of_a_clip_stays_what_it_is():
    drawn = clip_augmentation(3, 11, Grid(64, 96))
    assert drawn.matrix.tolist() == [
        pytest.approx([1.0284889389255243, -0.14917936772572543, 3.893786785588094]),
        pytest.approx([0.14917936772572543, 1.0284889389255243, -6.09842962672684]),
    ]
    assert drawn.brightness == pytest.approx(0.862926286468049)
    assert drawn.contrast == pytest.approx(0.8819265549814492)
    assert drawn.noise == pytest.approx(1.8187310237184717)
    assert drawn.noise_place.tolist() == [52, 11]
    assert drawn.dropped_shapes.tolist() == [[0, 0]] * 4


def test_noise_is_kept_for_twice_the_size_of_the_image_and_stays_what_it_is():
    bank = noise_bank(3, Grid(2, 3))
    assert bank.shape == (5, 7, 1)
    assert bank.dtype == np.float32
    assert bank[0, :3, 0].tolist() == pytest.approx([1.2475075, 0.1883308, 0.6163598], abs=1e-6)
    assert bank[-1, -1, 0] == pytest.approx(-0.3515697, abs=1e-6)


def test_a_quarter_turn_moves_the_corners_of_a_square_to_each_other():
    square = Grid(5, 5)
    matrix = about_centre(square, degrees=90, scale=1, shift=np.zeros(2))
    corners = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    assert np.allclose(apply(matrix, corners), np.roll(corners, -1, axis=0))


def test_maps_are_inverted_and_moved_to_another_origin_exactly():
    matrix = np.array([[2.0, 1.0, 3.0], [0.0, 4.0, 8.0]])
    assert apply(matrix, np.array([[1.0, 2.0], [3.0, 5.0]])).tolist() == [[7.0, 16.0], [14.0, 28.0]]
    assert inverse(matrix).tolist() == [[0.5, -0.125, -0.5], [0.0, 0.25, -2.0]]
    assert with_corner_origin(matrix).tolist() == [[2.0, 1.0, 2.0], [0.0, 4.0, 6.5]]
