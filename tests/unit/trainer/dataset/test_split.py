from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_api.dataset import Split
from posefleet_trainer.dataset.prepared import LabelledFrame
from posefleet_trainer.dataset.split import SET_NAMES, frames_of_set, split_frames


def frames(count: int, new: int = 0) -> list[LabelledFrame]:
    kinds = ["labelled"] * count + ["outOfDistribution"] * new
    return [
        LabelledFrame(path=f"labeled-data/{n}.png", width=9, height=9, points=[[1.0, 1.0]], set=kind)
        for n, kind in enumerate(kinds)
    ]


@given(count=st.integers(1, 60), new=st.integers(0, 5), seed=st.integers(0, 2**31 - 1), data=st.data())
def test_split_depends_on_paths_and_seed_alone(count: int, new: int, seed: int, data: st.DataObject):
    given_frames = frames(count, new)
    shuffled = data.draw(st.permutations(given_frames))
    split = Split()

    sets = dict(zip((frame.path for frame in given_frames), split_frames(given_frames, split, seed), strict=True))
    again = dict(zip((frame.path for frame in shuffled), split_frames(shuffled, split, seed), strict=True))

    assert sets == again


@pytest.mark.parametrize(
    ("count", "validation", "test", "sizes"),
    [
        (10, 20, 10, (7, 2, 1)),
        (10, 10, 30, (6, 1, 3)),
        # A percentage above 0 gives one frame, and training keeps one.
        (10, 1, 1, (8, 1, 1)),
        (3, 1, 1, (1, 1, 1)),
        (2, 1, 1, (1, 1, 0)),
        (1, 50, 40, (1, 0, 0)),
        (2, 90, 9, (1, 1, 0)),
        (4, 60, 39, (1, 2, 1)),
        (5, 60, 39, (1, 3, 1)),
        # A percentage of 0 gives none.
        (10, 0, 0, (10, 0, 0)),
        (10, 0, 30, (7, 0, 3)),
        (10, 30, 0, (7, 3, 0)),
    ],
)
def test_sets_have_these_sizes(count: int, validation: int, test: int, sizes: tuple[int, int, int]):
    sets = Counter(split_frames(frames(count, new=1), Split(validation_percent=validation, test_percent=test), 0))
    assert (sets["train"], sets["validation"], sets["test"]) == sizes
    assert sets["outOfDistribution"] == 1


def test_the_split_of_a_data_set_never_changes():
    """Attempts of one job, perhaps with different images, must agree on what is trained on."""
    sets = split_frames(frames(8), Split(validation_percent=25, test_percent=25), seed=7)
    assert [n for n in range(8) if sets[n] == "validation"] == [3, 5]
    assert [n for n in range(8) if sets[n] == "test"] == [6, 7]


def test_frames_of_a_set_are_those_that_the_split_names():
    held_out = [frame.model_copy(update={"set": "heldOut"}) for frame in frames(0, new=2)]
    given_frames = [*frames(20, new=2), *held_out]
    sets = split_frames(given_frames, Split(), 3)
    for wanted in SET_NAMES:
        paths = [frame.path for frame in frames_of_set(given_frames, Split(), 3, wanted)]
        assert paths == [frame.path for frame, name in zip(given_frames, sets, strict=True) if name == wanted]
        assert paths


@given(count=st.integers(1, 200), validation=st.integers(0, 60), test=st.integers(0, 39))
def test_shares_are_kept_and_something_is_left_to_train_on(count: int, validation: int, test: int):
    sets = Counter(split_frames(frames(count), Split(validation_percent=validation, test_percent=test), 0))
    assert sets["train"] >= 1
    assert abs(sets["validation"] - validation * count / 100) <= 1
    assert (sets["validation"] >= 1) == (validation > 0 and count > 1)
    assert sets["test"] <= test * count / 100 + 1


def test_frames_with_labels_of_their_own_are_sets_of_their_own():
    assert split_frames(frames(3, new=2), Split(), 0)[3:] == ["outOfDistribution"] * 2
    held_out = [frame.model_copy(update={"set": "heldOut"}) for frame in frames(0, new=2)]
    assert split_frames([*frames(3), *held_out], Split(), 0)[3:] == ["heldOut"] * 2


def test_another_seed_draws_otherwise():
    assert split_frames(frames(50), Split(), 1) != split_frames(frames(50), Split(), 2)
