from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.loading.sampler import ClipSampler, FrameSampler, Share, Stream, generator, steps_of

seeds = st.integers(0, 2**31 - 1)


@given(st.integers(1, 8), st.integers(1, 16), st.integers(0, 50))
def test_the_ranks_of_a_step_share_its_samples_without_gap_or_overlap(world: int, per_step: int, step: int):
    dealt = [sample for rank in range(world) for sample in Share(rank, world, per_step).samples(step)]
    assert sorted(dealt) == list(range(step * world * per_step, (step + 1) * world * per_step))


@given(st.integers(1, 8), st.integers(1, 16), st.integers(0, 50))
def test_a_sample_belongs_to_its_number_modulo_the_world(world: int, per_step: int, step: int):
    for rank in range(world):
        assert {sample % world for sample in Share(rank, world, per_step).samples(step)} == {rank}


@given(st.integers(1, 60), seeds, st.integers(0, 5))
def test_every_frame_comes_once_an_epoch(frames: int, seed: int, epoch: int):
    sampler = FrameSampler(frames, seed)
    seen = [sampler.frame(sample) for sample in range(epoch * frames, (epoch + 1) * frames)]
    assert sorted(seen) == list(range(frames))


@given(st.integers(2, 60), seeds, st.integers(0, 500))
def test_a_sample_is_the_same_frame_on_every_rank(frames: int, seed: int, sample: int):
    assert FrameSampler(frames, seed).frame(sample) == FrameSampler(frames, seed).frame(sample)


def test_epochs_and_seeds_have_orders_of_their_own():
    def order(seed: int, epoch: int) -> list[int]:
        return [FrameSampler(50, seed).frame(epoch * 50 + place) for place in range(50)]

    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


@given(st.integers(1, 500), st.integers(1, 300), st.integers(1, 32), st.integers(1, 8))
def test_n_ranks_do_an_nth_of_the_steps(epochs: int, frames: int, batch: int, world: int):
    together, alone = steps_of(epochs, frames, batch, world), steps_of(epochs, frames, batch, 1)
    assert together == -(-alone // world)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=5), st.integers(1, 100), seeds, st.integers(0, 10**6))
def test_clips_lie_inside_their_videos(frames: list[int], length: int, seed: int, sample: int):
    if max(frames) < length:
        with pytest.raises(InvalidInput, match="clipLength"):
            ClipSampler(frames, length, seed)
        return
    place = ClipSampler(frames, length, seed).clip(sample)
    assert 0 <= place.start <= frames[place.video] - length


@pytest.mark.parametrize(
    ("stream", "numbers"),
    [
        (Stream.FRAME_ORDER, [2038338693, 1461937452]),
        (Stream.FRAME_AUGMENTATION, [3700777635, 4291880932]),
        (Stream.CLIP_PLACE, [337678180, 3556738633]),
        (Stream.CLIP_AUGMENTATION, [306874811, 1165202203]),
        (Stream.NOISE, [614294299, 2172258553]),
    ],
)
def test_random_numbers_stay_the_same_from_release_to_release(stream: Stream, numbers: list[int]):
    assert generator(seed=7, stream=stream, index=3).integers(2**32, size=2).tolist() == numbers


def test_the_values_of_the_streams_are_fixed():
    assert sorted(Stream) == [1, 2, 3, 4, 5]


def test_longer_videos_give_more_clips():
    sampler = ClipSampler([19, 109], 10, seed=0)
    videos = Counter(sampler.clip(sample).video for sample in range(2000))
    assert 0.06 < videos[0] / 2000 < 0.12


def test_every_possible_clip_is_drawn():
    sampler = ClipSampler([5, 3, 2], 3, seed=1)
    drawn = {(place.video, place.start) for place in map(sampler.clip, range(300))}
    assert drawn == {(0, 0), (0, 1), (0, 2), (1, 0)}
