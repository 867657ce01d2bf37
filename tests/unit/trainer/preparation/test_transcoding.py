"""Videos of every kind, and files that are not videos."""

import threading
from pathlib import Path

import pytest

from posefleet_trainer.errors import Preempted
from posefleet_trainer.preparation.prepare import prepare
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.video.decode import read_clip
from posefleet_trainer.video.index import VideoIndex
from unit.trainer.dataset.projects import NO_LOSSES_ON_CLIPS, ProjectFolder, a_context, refusal
from unit.trainer.video.recordings import KINDS, Recording


@pytest.fixture
def folder(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project").with_frames(6).with_video()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "s3://lab/project/videos/b.mp4 has 0 bytes; upload it again"),
        (b"some text\n" * 9, "s3://lab/project/videos/b.mp4 is text, not a video; replace it"),
        (bytes(range(256)) * 9, "s3://lab/project/videos/b.mp4 is not a video, or damaged"),
    ],
)
def test_file_that_is_no_video(folder: ProjectFolder, tmp_path: Path, content: bytes, words: str):
    folder.with_file("videos/b.mp4", content)
    assert refusal(tmp_path).startswith(words)


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_truncated_video(folder: ProjectFolder, tmp_path: Path, options: dict[str, str]):
    path = Recording(container_options=options).save(tmp_path / "whole.mp4")
    content = path.read_bytes()
    path.unlink()
    folder.with_file("videos/b.mp4", content[: len(content) * 2 // 3])
    assert refusal(tmp_path).startswith("s3://lab/project/videos/b.mp4 is truncated")


def test_video_larger_than_the_cache(folder: ProjectFolder, tmp_path: Path):
    said = refusal(tmp_path, cache_bytes=100)
    assert said.startswith("s3://lab/project/videos/a.mp4 has ")
    assert "raise resources.cachePerNode" in said


def test_proxy_and_its_index_are_at_training_size(folder: ProjectFolder, tmp_path: Path):
    context = a_context(tmp_path)
    video = prepare(context).clip_videos[0]
    assert video.proxy is not None
    assert video.proxy_index is not None
    cache = NodeCache(tmp_path / "node", 10**9)
    proxy, index = (
        cache.fetch(context.prepared, file.key, file.size_bytes, file.sha256)
        for file in (video.proxy, video.proxy_index)
    )
    assert (video.frames, video.width, video.height) == (20, 128, 96)
    assert read_clip(proxy, VideoIndex.load(index), 3, 16).shape == (16, 64, 96, 3)


def test_other_image_size_makes_other_proxies_of_the_same_frames(folder: ProjectFolder, tmp_path: Path):
    small = prepare(a_context(tmp_path))
    large = prepare(a_context(tmp_path, model={"imageSize": {"height": 128, "width": 128}}))
    assert small.frames_archive == large.frames_archive
    assert small.clip_videos[0].index == large.clip_videos[0].index
    assert small.clip_videos[0].proxy != large.clip_videos[0].proxy


def test_without_unsupervised_losses_no_proxy_is_made(folder: ProjectFolder, tmp_path: Path):
    prepared = prepare(a_context(tmp_path, losses=NO_LOSSES_ON_CLIPS))
    assert prepared.clip_videos == []
    assert [video.proxy for video in prepared.predict_videos] == [None]


@pytest.mark.parametrize("kind", ["variable frame rate", "yuv444p", "hevc", "mpeg4 in mp4", "vp9", "mjpeg"])
def test_videos_of_every_kind_are_prepared(kind: str, folder: ProjectFolder, tmp_path: Path):
    recording, suffix = KINDS[kind]
    folder.with_video(f"videos/b.{suffix}", recording)
    prepared = prepare(a_context(tmp_path, dataset={"videos": ["videos/*"]}, predict={"videos": []}))
    assert [video.frames for video in prepared.clip_videos] == [20, 40]


def test_job_that_is_asked_to_stop_leaves_no_scratch(
    folder: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from posefleet_trainer.preparation import transcoding as videos

    def stopped(*_: object, **__: object) -> None:
        raise Preempted("asked to stop")

    monkeypatch.setattr(videos, "wait", stopped)
    with pytest.raises(Preempted):
        prepare(a_context(tmp_path))
    assert list((tmp_path / "node" / "scratch").iterdir()) == []
    assert all(not thread.name.startswith("video") for thread in threading.enumerate())
