import io
from pathlib import Path

import av
import numpy as np
import pytest

from posefleet_trainer.video.index import build_index
from posefleet_trainer.video.packets import clip_packets
from unit.trainer.video.recordings import KINDS, decode_all

SEEKABLE = ["h264 with B-frames", "h264 with one key frame", "h264 with open groups", "variable frame rate", "hevc"]


@pytest.mark.parametrize("kind", SEEKABLE)
def test_packets_of_a_clip_decode_to_its_frames_alone(kind: str, tmp_path: Path):
    recording, suffix = KINDS[kind]
    path = recording.save(tmp_path / f"video.{suffix}")
    index, truth = build_index(path, path.name), decode_all(path)
    assert index.seekable

    for start in range(0, 35, 3):
        content, before = clip_packets(path, index, start, 5)
        with av.open(io.BytesIO(content)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert np.array_equal(frames[before : before + 5], truth[start : start + 5])


def test_packets_hold_no_more_groups_than_the_clip_needs(tmp_path: Path):
    path = KINDS["h264 with B-frames"][0].save(tmp_path / "video.mp4")
    content, before = clip_packets(path, build_index(path, path.name), 26, 4)
    assert before == 2
    assert len(content) < path.stat().st_size / 2
