from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.loading.sampler import (
    ClipPlace,
    ClipSampler,
    FrameSampler,
    Share,
    Stream,
    generator,
    steps_of,
)

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
        with pytest.raises(ValueError, match=rf"no video has {length} frames \(the longest has {max(frames)}\)"):
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


@pytest.mark.parametrize(
    ("stream", "numbers"),
    [
        (Stream.FRAME_ORDER, [474, 340, 652, 111]),
        (Stream.FRAME_AUGMENTATION, [861, 999, 819, 791]),
        (Stream.CLIP_PLACE, [78, 828, 941, 912]),
        (Stream.CLIP_AUGMENTATION, [71, 271, 909, 222]),
        (Stream.NOISE, [143, 505, 834, 998]),
    ],
)
def test_the_random_numbers_of_a_stream_stay_what_they_are(stream: Stream, numbers: list[int]):
    assert generator(7, stream, 3).integers(0, 1000, 4).tolist() == numbers


def test_two_samples_share_no_random_numbers():
    drawn = [set(generator(7, Stream.NOISE, index).random(1000)) for index in range(3)]
    assert len(drawn[0] | drawn[1] | drawn[2]) == 3000


def test_the_order_of_the_frames_stays_what_it_is():
    epochs = [[FrameSampler(6, 5).frame(6 * epoch + place) for place in range(6)] for epoch in range(3)]
    assert epochs == [[4, 1, 0, 3, 2, 5], [4, 5, 3, 2, 1, 0], [4, 1, 2, 3, 0, 5]]


def test_the_places_of_the_clips_stay_what_they_are():
    sampler = ClipSampler([12, 3, 9, 4], 4, 5)
    assert [sampler.clip(sample) for sample in range(12)] == [
        ClipPlace(*place)
        for place in [(2, 5), (2, 2), (2, 3), (3, 0), (2, 3), (0, 4), (3, 0), (0, 8), (0, 2), (0, 2), (2, 3), (2, 3)]
    ]


def test_the_samples_of_a_rank_are_every_worldth_from_its_own_number():
    assert Share(rank=1, world=3, per_step=2).samples(0) == [1, 4]
    assert Share(rank=1, world=3, per_step=2).samples(2) == [13, 16]


def test_a_step_that_is_only_begun_counts():
    assert steps_of(epochs=3, frames=10, per_rank=4, world=2) == 4
    assert steps_of(epochs=4, frames=10, per_rank=5, world=2) == 4


def test_one_video_as_long_as_a_clip_gives_one_clip():
    sampler = ClipSampler([8], 8, seed=0)
    assert {sampler.clip(sample) for sample in range(10)} == {ClipPlace(0, 0)}


def test_videos_that_are_too_short_are_named_with_the_longest_length():
    with pytest.raises(ValueError, match=r"^no video has 8 frames \(the longest has 7\)"):
        ClipSampler([3, 7], 8, seed=0)
    with pytest.raises(ValueError, match=r"^no video has 8 frames \(the longest has 7\)"):
        ClipSampler([7], 8, seed=0)
    with pytest.raises(ValueError, match=r"^no video has 8 frames \(the longest has 0\)"):
        ClipSampler([], 8, seed=0)
