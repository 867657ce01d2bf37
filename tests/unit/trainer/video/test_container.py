"""Files that are refused as videos, and the messages that say why."""

from pathlib import Path

import numpy as np
import pytest

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.video.container import UnreadableVideo
from posefleet_trainer.video.index import build_index
from unit.trainer.video.recordings import Recording


def refusal(path: Path) -> str:
    with pytest.raises(InvalidInput) as refused:
        build_index(path, "videos/video.mp4")
    return str(refused.value)


def test_empty_file_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "video.mp4"
    path.touch()
    assert refusal(path).startswith("videos/video.mp4 has 0 bytes; upload it again")


def test_text_named_mp4_is_refused_as_text(tmp_path: Path):
    path = tmp_path / "video.mp4"
    path.write_text("this is no video\n" * 10)
    assert refusal(path).startswith("videos/video.mp4 is text, not a video; replace it")


def test_random_bytes_are_refused(tmp_path: Path):
    path = tmp_path / "video.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    assert "is not a video, or damaged" in refusal(path)


def test_playlist_that_names_other_files_is_not_opened(tmp_path: Path):
    Recording().save(tmp_path / "secret.ts")
    path = tmp_path / "video.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\nsecret.ts\n#EXT-X-ENDLIST\n")
    assert "is text, not a video" in refusal(path)


def test_audio_alone_is_refused(tmp_path: Path):
    import av

    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.rate = 48000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    assert "has no video stream" in refusal(path)


def test_codec_that_nobody_knows_is_refused_with_a_way_out(tmp_path: Path):
    path = Recording().save(tmp_path / "video.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))
    assert "ffmpeg -i FILE -c:v libx264" in refusal(path)


@pytest.mark.parametrize(
    ("suffix", "recording"),
    [
        ("mp4", Recording()),
        ("mp4", Recording(container_options={"movflags": "faststart"})),
        ("avi", Recording(codec="mjpeg", pixels="yuvj420p")),
        ("mkv", Recording()),
    ],
)
def test_truncated_video_is_refused(suffix: str, recording: Recording, tmp_path: Path):
    path = recording.save(tmp_path / f"video.{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])

    with pytest.raises(UnreadableVideo, match=r"videos/video.mp4 is truncated.*upload it again"):
        build_index(path, "videos/video.mp4")
