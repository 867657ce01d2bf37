from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from posefleet_api.dataset import Split
from posefleet_trainer.dataset.prepared import LabelledFrame
from posefleet_trainer.dataset.split import split_frames


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


@given(count=st.integers(1, 200), validation=st.floats(0, 0.6), test=st.floats(0, 0.39))
def test_shares_are_kept_and_something_is_left_to_train_on(count: int, validation: float, test: float):
    sets = Counter(split_frames(frames(count), Split(validation=validation, test=test), 0))
    assert sets["train"] >= 1
    assert abs(sets["validation"] - validation * count) <= 1
    assert (sets["validation"] >= 1) == (validation > 0 and count > 1)
    assert sets["test"] <= test * count + 1


def test_frames_out_of_distribution_are_a_set_of_their_own():
    assert split_frames(frames(3, new=2), Split(), 0)[3:] == ["outOfDistribution"] * 2


def test_another_seed_draws_otherwise():
    assert split_frames(frames(50), Split(), 1) != split_frames(frames(50), Split(), 2)
