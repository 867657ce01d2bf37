import pytest

from posefleet_trainer.dataset.prepared import keypoint_numbers
from posefleet_trainer.errors import InvalidInput


def test_names_and_numbers_mean_the_same():
    assert keypoint_numbers(["tail", 0], ["nose", "tail"], "dataset.skeleton") == [1, 0]


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(InvalidInput, match=r"dataset.skeleton names keypoint 'ear'; the labels have nose, tail"):
        keypoint_numbers(["ear"], ["nose", "tail"], "dataset.skeleton")


def test_number_beyond_the_last_is_refused():
    with pytest.raises(InvalidInput, match=r"keypoint 2; the labels have numbers 0 to 1"):
        keypoint_numbers([2], ["nose", "tail"], "dataset.skeleton")
