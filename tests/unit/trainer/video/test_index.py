from pathlib import Path

import numpy as np
import pytest

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.video.index import VideoIndex, build_index
from unit.trainer.video.recordings import HEIGHT, KINDS, WIDTH, Recording, decode_all


@pytest.mark.parametrize("kind", KINDS)
def test_index_counts_the_frames_that_a_decoder_gives(kind: str, tmp_path: Path):
    recording, suffix = KINDS[kind]
    path = recording.save(tmp_path / f"video.{suffix}")

    index = build_index(path, "videos/video")

    assert index.frames == len(decode_all(path)) == recording.frames
    assert (index.width, index.height) == (WIDTH, HEIGHT)


def test_index_knows_key_frames_and_a_variable_rate(tmp_path: Path):
    path = KINDS["variable frame rate"][0].save(tmp_path / "video.mp4")

    index = build_index(path, "videos/video.mp4")

    steps = np.unique(np.diff(index.pts))
    assert len(steps) > 2
    assert [index.number_of(int(key)) for key in index.key_pts] == [0, 12, 24, 36]
    assert index.frames_per_second == pytest.approx(40 / (10 * 0.154), rel=0.05)


def test_index_survives_being_saved(tmp_path: Path):
    index = build_index(Recording().save(tmp_path / "video.mp4"), "videos/ä.mp4")
    index.save(tmp_path / "index.npz")

    loaded = VideoIndex.load(tmp_path / "index.npz")

    assert (loaded.name, loaded.frames, loaded.frames_per_second) == (index.name, index.frames, index.frames_per_second)
    assert np.array_equal(loaded.pts, index.pts)
    assert np.array_equal(loaded.key_pts, index.key_pts)


def test_number_of_a_timestamp_between_two_frames_is_none(tmp_path: Path):
    index = build_index(Recording().save(tmp_path / "video.mp4"), "video.mp4")
    assert index.number_of(int(index.pts[3])) == 3
    assert index.number_of(int(index.pts[3]) + 1) is None
    assert index.number_of(int(index.pts[-1]) + 10**6) is None
    assert index.number_of(None) is None


def refusal(path: Path) -> str:
    with pytest.raises(InvalidInput) as refused:
        build_index(path, "videos/video.mp4")
    return str(refused.value)


def test_video_whose_frames_are_all_damaged_is_refused(tmp_path: Path):
    path = Recording(container_options={"movflags": "faststart"}).save(tmp_path / "video.mp4")
    content = path.read_bytes()
    start = content.index(b"mdat") + 4
    path.write_bytes(content[:start] + bytes(len(content) - start))
    assert "has no frame that can be decoded" in refusal(path)


@pytest.mark.parametrize("rotation", [90, -90, -180])
def test_video_that_players_turn_is_refused_with_the_command_that_turns_it(rotation: int, tmp_path: Path):
    said = refusal(Recording(frames=5, rotation=rotation).save(tmp_path / "video.mp4"))
    assert said.startswith(f"videos/video.mp4 carries a rotation of {rotation} degrees, which players and OpenCV")
    assert said.endswith("turn the pictures themselves with: ffmpeg -i in.mp4 -c:v libx264 -crf 17 out.mp4")
