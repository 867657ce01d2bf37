from pathlib import Path

import numpy as np
import pytest

from posefleet_trainer.video.decode import read_frames
from posefleet_trainer.video.index import build_index
from posefleet_trainer.video.proxy import GOP_FRAMES, write_proxy
from unit.trainer.video.recordings import KINDS, Recording, decode_all


@pytest.mark.parametrize("kind", ["h264 with B-frames", "variable frame rate", "yuv444p", "mjpeg", "mpeg4 in avi"])
def test_frame_n_of_the_proxy_is_frame_n_of_the_source(kind: str, tmp_path: Path):
    recording, suffix = KINDS[kind]
    path = recording.save(tmp_path / f"video.{suffix}")
    index = build_index(path, path.name)

    write_proxy(path, index, tmp_path / "proxy.mp4", (64, 96))

    proxy = decode_all(tmp_path / "proxy.mp4")
    source = list(read_frames(path, index, 0, index.frames, (64, 96)))
    assert len(proxy) == len(source)
    for shown, meant in zip(proxy, source, strict=True):
        assert np.abs(shown.astype(int) - meant).mean() < 4


def test_proxy_has_short_groups_and_timestamps_in_order(tmp_path: Path):
    path = Recording(gaps_ms=(1,)).save(tmp_path / "video.mp4")
    write_proxy(path, build_index(path, path.name), tmp_path / "proxy.mp4", (64, 64))

    index = build_index(tmp_path / "proxy.mp4", "proxy")

    assert index.seekable
    assert [index.number_of(int(key)) for key in index.key_pts] == list(range(0, 40, GOP_FRAMES))


def test_progress_counts_every_frame_once(tmp_path: Path):
    path = Recording(frames=37).save(tmp_path / "video.mp4")
    counted: list[int] = []
    write_proxy(path, build_index(path, path.name), tmp_path / "proxy.mp4", (64, 64), advance=counted.append)
    assert sum(counted) == 37
