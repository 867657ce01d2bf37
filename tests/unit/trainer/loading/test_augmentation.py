import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.loading.augmentation import (
    CLIP_RANGE,
    Augmentation,
    apply,
    clip_augmentation,
    frame_augmentation,
    inverse,
    noise_bank,
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
