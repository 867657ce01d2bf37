from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posefleet_trainer.video.decode import ClipReader, VideoReader, read_clip, read_frames, resize
from posefleet_trainer.video.index import VideoIndex, build_index
from unit.trainer.video.recordings import (
    HEIGHT,
    KINDS,
    REGULAR,
    WIDTH,
    Recording,
    decode_all,
    save_from_packet,
    second_key_packet,
)


def indexed(path: Path) -> VideoIndex:
    return build_index(path, path.name)


@pytest.mark.parametrize("kind", KINDS)
def test_clips_anywhere_are_exact(kind: str, tmp_path: Path):
    recording, suffix = KINDS[kind]
    path = recording.save(tmp_path / f"video.{suffix}")
    index, truth = indexed(path), decode_all(path)

    for start in range(0, 35, 3):
        assert np.array_equal(read_clip(path, index, start, 5), truth[start : start + 5])


def test_one_open_reader_serves_any_order(tmp_path: Path):
    path = KINDS["h264 with B-frames"][0].save(tmp_path / "video.mp4")
    truth = decode_all(path)
    reader = VideoReader(path, indexed(path))

    for start in (30, 0, 36, 17, 18, 35, 2):
        assert np.array_equal(reader.clip(start, 4), truth[start : start + 4])
    reader.close()


def test_all_frames_in_order_with_several_threads(tmp_path: Path):
    path = Recording().save(tmp_path / "video.mp4")
    index = indexed(path)
    assert np.array_equal(list(read_frames(path, index, 0, index.frames, threads=2)), decode_all(path))


def test_frames_come_resized_by_the_common_filter(tmp_path: Path):
    path = Recording().save(tmp_path / "video.mp4")
    clip = read_clip(path, indexed(path), 7, 2, size=(48, 32))
    assert clip.shape == (2, 48, 32, 3)
    assert np.array_equal(clip, [resize(frame, (48, 32)) for frame in decode_all(path)[7:9]])


def test_no_frames_are_read_beyond_the_end(tmp_path: Path):
    path = Recording(frames=5).save(tmp_path / "video.mp4")
    with pytest.raises(ValueError, match="has 5 frames"):
        read_clip(path, indexed(path), 3, 4)


def test_damaged_frame_is_replaced_by_the_one_before_it(tmp_path: Path):
    path = Recording(codec="mjpeg", pixels="yuvj420p").save(tmp_path / "video.mp4")
    truth = decode_all(path)
    destroy_packet(path, 10)
    index = indexed(path)

    frames = list(read_frames(path, index, 0, index.frames))

    assert index.seekable
    assert np.array_equal(frames, [*truth[:10], truth[9], *truth[11:]])


def test_clip_that_begins_with_a_damaged_frame_shows_the_one_before_it(tmp_path: Path):
    path = Recording(codec="mjpeg", pixels="yuvj420p").save(tmp_path / "video.mp4")
    truth = decode_all(path)
    destroy_packet(path, 10)
    assert np.array_equal(read_clip(path, indexed(path), 10, 3), [truth[9], *truth[11:13]])


def test_frame_at_the_end_that_cannot_be_decoded_is_not_counted(tmp_path: Path):
    path = Recording(codec="mjpeg", pixels="yuvj420p").save(tmp_path / "video.mp4")
    destroy_packet(path, 39)
    index = indexed(path)
    assert index.frames == len(list(read_frames(path, index, 0, index.frames))) == 39


def check_every_stretch(path: Path) -> None:
    """Numbers begin at the first frame that a decoder gives, as OpenCV's do."""
    truth, index = decode_all(path), indexed(path)
    assert index.frames == len(truth)
    for start, stop in ((0, index.frames), (0, 1), (1, 3), (2, 9), (9, index.frames), (index.frames - 1, index.frames)):
        assert np.array_equal(list(read_frames(path, index, start, stop)), truth[start:stop]), (start, stop)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
def test_a_recording_that_begins_within_a_group_is_counted_from_its_first_whole_frame(kind: str, tmp_path: Path):
    whole = Recording(options={"bf": "0", **REGULAR}).save(tmp_path / "whole.mp4")
    path = save_from_packet(whole, tmp_path / f"video.{kind}", 3)
    check_every_stretch(path)
    assert len(decode_all(path)) == 28


_OPEN_GROUPS = "keyint=12:open-gop=1:bframes=3:b-adapt=0:scenecut=0"


@pytest.mark.parametrize(
    "recording",
    [
        Recording(codec="libx265", options={"x265-params": f"log-level=none:{_OPEN_GROUPS}"}),
        Recording(options={"x264-params": _OPEN_GROUPS}),
    ],
    ids=lambda recording: recording.codec,
)
def test_a_cut_at_an_open_group_is_counted_from_its_first_whole_frame(recording: Recording, tmp_path: Path):
    whole = recording.save(tmp_path / "whole.mkv")
    path = save_from_packet(whole, tmp_path / "video.mkv", second_key_packet(whole))
    assert len(decode_all(path)) < 40 - second_key_packet(whole), "no packet was severed"
    check_every_stretch(path)


def test_a_bare_stream_is_read_from_its_beginning_each_time(tmp_path: Path):
    path = Recording(options=REGULAR).save(tmp_path / "video.h264")
    check_every_stretch(path)
    reader = VideoReader(path, indexed(path))
    truth = decode_all(path)
    for _ in range(2):
        assert np.array_equal(reader.clip(20, 5), truth[20:25])
    reader.close()


def test_damaged_frames_with_none_before_them_show_the_one_after(tmp_path: Path):
    path = Recording(codec="mjpeg", pixels="yuvj420p").save(tmp_path / "video.mp4")
    index, truth = indexed(path), decode_all(path)
    destroy_packet(path, 0)
    assert np.array_equal(list(read_frames(path, index, 0, 3)), [truth[1], *truth[1:3]])


def destroy_packet(path: Path, number: int) -> None:
    """Overwrite the bytes of one packet by zeros."""
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        place, size = packet.pos, packet.size
    content = bytearray(path.read_bytes())
    content[place : place + size] = bytes(size)
    path.write_bytes(content)


def test_full_range_colours_are_kept(tmp_path: Path):
    path = Recording(codec="mjpeg", pixels="yuvj420p", options={"q:v": "2"}).save(tmp_path / "video.avi")
    frame = read_clip(path, indexed(path), 0, 1)[0]
    assert frame.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(frame[40, 10].astype(int) - (250, 200, 30)).max() < 25
    assert np.abs(frame[80, 100].astype(int) - 40).max() < 10


def test_same_size_is_the_same_picture():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert resize(image, (20, 30)) is image


def test_shrinking_averages_all_source_pixels():
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[::2] = 200
    assert np.all(resize(image, (4, 4)) == 100)


@settings(max_examples=30, deadline=None)
@given(ratio=st.sampled_from([2, 4, 8]), x=st.integers(0, 7), y=st.integers(0, 7))
def test_pixel_centres_go_where_the_coordinates_say(ratio: int, x: int, y: int):
    image = np.zeros((8 * ratio, 8 * ratio, 3), dtype=np.uint8)
    image[y * ratio : (y + 1) * ratio, x * ratio : (x + 1) * ratio] = 255
    centre = (x + 0.5) * ratio - 0.5

    small = resize(image, (8, 8))[..., 0].astype(float)

    found = (small.sum(axis=0) * np.arange(8)).sum() / small.sum()
    assert abs((found + 0.5) * ratio - 0.5 - centre) < 1e-6


def test_enlarging_interpolates():
    image = np.array([[[0] * 3, [200] * 3]], dtype=np.uint8)
    wide = resize(image, (1, 4))[0, :, 0]
    assert wide.tolist() == [0, 50, 150, 200]


def test_many_threads_read_many_videos_exactly(tmp_path: Path):
    paths = [Recording(frames=20 + n, options={"g": "8"}).save(tmp_path / f"{n}.mp4") for n in range(6)]
    indexes = [build_index(path, path.name) for path in paths]
    truth = [decode_all(path) for path in paths]
    reader = ClipReader(open_per_thread=2)

    def matches(sample: int) -> bool:
        video, start = sample % 6, sample * 7 % 16
        return np.array_equal(reader.clip(paths[video], indexes[video], start, 4), truth[video][start : start + 4])

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(matches, range(60)))
