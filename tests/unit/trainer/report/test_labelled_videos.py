"""Videos with poses drawn in."""

import threading
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.report import labelled_videos
from posefleet_trainer.report.drawing import Style, draw_pose, legend
from posefleet_trainer.report.labelled_videos import (
    LabelledVideoWriter,
    VideoWithPoses,
    canvas_size,
    write_labelled_video,
    write_labelled_videos,
)
from posefleet_trainer.report.page import JobResults
from posefleet_trainer.report.palette import keypoint_colours
from posefleet_trainer.store.cache import CacheFull, NodeCache
from posefleet_trainer.store.folder import FolderStore
from posefleet_trainer.video.index import build_index
from unit.trainer.report.results import Made, made_up_poses


def a_video(path: Path, width: int, height: int, frames: int) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        for number in range(frames):
            image = np.full((height, width, 3), 5 * number, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def labelled(folder: Path, width: int, height: int, frames: int, keypoints: int = 3) -> Path:
    path = a_video(folder / "source.mp4", width, height, frames)
    names = [f"point {number}" for number in range(keypoints)]
    source = VideoWithPoses(path, build_index(path, "source.mp4"), made_up_poses(frames, keypoints))
    style = Style(keypoint_colours(keypoints), [(0, keypoints - 1)])
    target = folder / "labelled.mp4"
    assert sum(write_labelled_video(source, names, style, target)) == frames
    return target


@pytest.mark.parametrize(("width", "height"), [(80, 80), (97, 61), (31, 203)])
def test_the_labelled_video_has_a_legible_picture_for_every_frame(tmp_path, width, height):
    target = labelled(tmp_path, width, height, frames=41)
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.pix_fmt == "yuv420p"
        assert stream.average_rate == 30
    assert len(pictures) == 41
    assert pictures[0].shape[0] >= 640
    assert not pictures[0].shape[0] % 2 | pictures[0].shape[1] % 2


def test_a_browser_can_play_it_before_it_is_loaded(tmp_path):
    content = labelled(tmp_path, 80, 80, frames=5).read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


@given(st.integers(2, 4000), st.integers(2, 4000))
def test_canvases_are_even_and_bounded(height, width):
    size = canvas_size(Grid(height, width))
    assert size.height % 2 == size.width % 2 == 0
    assert 2 <= size.height <= 1440
    assert 2 <= size.width <= 1920


def test_a_confident_keypoint_is_a_disc_of_its_colour_and_a_doubtful_one_is_hollow():
    points = np.array([[30.0, 50.0], [70.0, 50.0], [np.nan, np.nan]])
    image = np.zeros((100, 100, 3), np.uint8)
    style = Style([(230, 159, 0), (86, 180, 233), (0, 158, 115)], [(0, 2)])
    draw_pose(image, points, np.array([0.9, 0.2, 0.9]), style, 6.0)
    assert tuple(image[50, 30]) == (230, 159, 0)
    assert tuple(image[50, 70]) == (0, 0, 0)
    assert tuple(image[50, 76]) == (86, 180, 233)


def test_predictions_far_outside_the_picture_leave_the_others_visible():
    image = np.zeros((20, 20, 3), np.uint8)
    points = np.array([[1e30, -1e30], [5.0, 5.0], [-1e30, 10.0]], dtype=np.float32)
    colours = [(230, 159, 0), (86, 180, 233), (0, 158, 115)]
    draw_pose(image, points, np.ones(3), Style(colours, []), 3.0)
    assert tuple(image[5, 5]) == colours[1]
    drawn = {tuple(colour) for colour in image.reshape(-1, 3).tolist()}
    assert not drawn & {colours[0], colours[2]}
    assert not image[12:].any()


def test_a_line_to_a_point_far_outside_leaves_the_picture_towards_it():
    image = np.zeros((20, 20, 3), np.uint8)
    points = np.array([[1e30, 10.0], [5.0, 10.0]], dtype=np.float32)
    draw_pose(image, points, np.ones(2), Style([(200, 100, 0), (100, 200, 0)], [(0, 1)]), 3.0)
    assert image[10, 12:].any(axis=1).all(), "the line reaches the right edge"
    assert not image[:4].any()
    assert not image[17:].any()


def test_a_legend_has_room_for_very_many_and_very_odd_names():
    names = [f"{number} naïve 尾巴\n<b> {'x' * 200}" for number in range(300)]
    panel, top = legend(names, keypoint_colours(300), 640, 14, "a note")
    assert panel.shape[0] == 640
    assert panel.shape[1] < 1200
    assert 0 < top < 100


def small_cache(results: JobResults, directory: Path) -> NodeCache:
    """Return a cache that holds the video and its index, and nothing beside them."""
    video = results.predictions.videos[0].video
    return NodeCache(directory, video.source.size_bytes + video.index.size_bytes)


def write_all(made: Made, writer: LabelledVideoWriter, results: JobResults) -> None:
    """Write all labelled videos on a single rank."""
    write_labelled_videos(writer, results.predictions.videos, made.context.rank, made.context.progress)


def in_use(directory: Path, project: Path) -> tuple[NodeCache, Path]:
    """Another rank's cache on the same folder, and what it reads there."""
    other = NodeCache(directory, 10**9)
    (project / "other.bin").write_bytes(bytes(1000))
    store = FolderStore(project)
    stored = store.find("other.bin")
    return other, other.fetch(store, stored.key, stored.size_bytes, stored.etag)


def test_a_video_waits_until_another_rank_leaves_room_for_it(made, tmp_path, monkeypatch):
    results = made.results()
    writer = made.labelled_video_writer(results, small_cache(results, tmp_path / "cache"))
    other, path = in_use(tmp_path / "cache", tmp_path)
    monkeypatch.setattr(labelled_videos, "_CHECK_CACHE_SECONDS", 0.05)
    releasing = threading.Timer(0.5, other.release, [path])
    releasing.start()
    made.context.output.delete("labelled_videos/vid.mp4")
    write_all(made, writer, results)
    releasing.join()
    assert made.context.output.find("labelled_videos/vid.mp4") is not None


def test_a_cache_that_nobody_leaves_is_too_small(made, tmp_path, monkeypatch):
    results = made.results()
    writer = made.labelled_video_writer(results, small_cache(results, tmp_path / "cache"))
    other, path = in_use(tmp_path / "cache", tmp_path)
    monkeypatch.setattr(labelled_videos, "_CHECK_CACHE_SECONDS", 0.05)
    monkeypatch.setattr(labelled_videos, "_EXCHANGE_SECONDS", 0.2)
    with pytest.raises(CacheFull, match=r"raise resources\.cachePerNode"):
        write_all(made, writer, results)
    other.release(path)
