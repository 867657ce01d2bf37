"""How videos are shared out, and named."""

from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.dataset.prepared import SourceFile, StoredFile, Video
from posefleet_trainer.evaluation.videos import share, video_names


def a_video(path: str) -> Video:
    stored = StoredFile(key="files/x.npz", size_bytes=1, sha256="0" * 64)
    source = SourceFile(path=path, size_bytes=1, etag="e")
    return Video(source=source, width=64, height=64, frames=10, frames_per_second=25.0, proxy=None, index=stored)


@given(frames=st.integers(0, 5000), world=st.integers(1, 33))
def test_every_frame_belongs_to_exactly_one_rank(frames, world):
    shares = [share(frames, rank, world) for rank in range(world)]
    assert [number for part in shares for number in part] == list(range(frames))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_videos_are_named_by_their_stem():
    assert video_names([a_video("videos/a.mp4"), a_video("videos/b.mp4")]) == ["a", "b"]


def test_videos_of_the_same_stem_are_named_by_their_path():
    names = video_names([a_video("monday/cam.mp4"), a_video("tuesday/cam.mp4"), a_video("tuesday/cam.avi")])
    assert len(set(names)) == 3
    assert names[0] == "monday_cam_mp4"
