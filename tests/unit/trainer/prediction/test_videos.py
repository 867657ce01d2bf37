"""How videos are divided among ranks and decoders, and how their files are named."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.dataset.prepared import SourceFile, StoredFile, Video
from posefleet_trainer.prediction.videos import frames_of_rank, predicted_videos, split_for_decoders
from posefleet_trainer.video.index import VideoIndex


def an_index(frames: int, *, seekable: bool = True) -> VideoIndex:
    pts = np.arange(frames if seekable else 0)
    return VideoIndex("vid.mp4", 64, 64, frames, 25.0, pts, pts[:1])


def a_video(path: str) -> Video:
    stored = StoredFile(key="files/x.npz", size_bytes=1, sha256="0" * 64)
    source = SourceFile(path=path, size_bytes=1, etag="e")
    return Video(source=source, width=64, height=64, frames=10, frames_per_second=25.0, proxy=None, index=stored)


@given(frames=st.integers(0, 5000), world=st.integers(1, 33))
def test_every_frame_belongs_to_exactly_one_rank(frames, world):
    shares = [frames_of_rank(frames, rank, world) for rank in range(world)]
    assert [number for part in shares for number in part] == list(range(frames))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(start=st.integers(0, 5000), length=st.integers(0, 20_000), threads=st.integers(1, 16))
def test_the_decoders_of_a_rank_share_its_frames_in_order(start, length, threads):
    mine = range(start, start + length)
    parts = split_for_decoders(mine, an_index(start + length), threads)
    assert [number for part in parts for number in part] == list(mine)
    assert len(parts) <= threads
    assert len(parts) == 1 or min(map(len, parts)) >= 512


def test_a_video_that_cannot_be_sought_is_decoded_once():
    assert split_for_decoders(range(5000), an_index(5000, seekable=False), threads=8) == [range(5000)]


def test_videos_are_named_by_their_stem():
    videos = [a_video("videos/a.mp4"), a_video("videos/b.mp4")]
    predicted = predicted_videos(videos)
    assert [each.name for each in predicted] == ["a", "b"]
    assert [each.video for each in predicted] == videos


def test_videos_of_the_same_stem_are_named_by_their_path():
    paths = ("monday/cam.mp4", "tuesday/cam.mp4", "tuesday/cam.avi")
    names = [each.name for each in predicted_videos([a_video(path) for path in paths])]
    assert len(set(names)) == 3
    assert names[0] == "monday_cam_mp4"
