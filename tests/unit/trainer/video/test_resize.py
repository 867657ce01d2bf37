import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from posefleet_trainer.video.decode import resize


def test_same_size_is_the_same_picture():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert resize(image, (20, 30)) is image


def test_shrinking_averages_all_source_pixels():
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[::2] = 200
    assert np.all(resize(image, (4, 4)) == 100)


@settings(max_examples=30, deadline=None)
@given(ratio=st.sampled_from([2, 4, 8]), x=st.integers(0, 7), y=st.integers(0, 7))
def test_pixel_centres_go_where_the_coordinates_say(ratio: int, x: int, y: int):
    image = np.zeros((8 * ratio, 8 * ratio, 3), dtype=np.uint8)
    image[y * ratio : (y + 1) * ratio, x * ratio : (x + 1) * ratio] = 255
    centre = (x + 0.5) * ratio - 0.5

    small = resize(image, (8, 8))[..., 0].astype(float)

    found = (small.sum(axis=0) * np.arange(8)).sum() / small.sum()
    assert abs((found + 0.5) * ratio - 0.5 - centre) < 1e-6


def test_enlarging_interpolates():
    image = np.array([[[0] * 3, [200] * 3]], dtype=np.uint8)
    wide = resize(image, (1, 4))[0, :, 0]
    assert wide.tolist() == [0, 50, 150, 200]
