"""Frames with poses in them, as pictures inside the page."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np

from posefleet_trainer.dataset.frame_archive import FrameArchive
from posefleet_trainer.dataset.pose_subspaces import label_points
from posefleet_trainer.dataset.prepared import Video
from posefleet_trainer.dataset.split import SetName
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.prediction.results import FrameResults, Poses
from posefleet_trainer.report.drawing import draw_dot, draw_label, draw_pose
from posefleet_trainer.report.labelled_videos import source_of
from posefleet_trainer.report.material import Material
from posefleet_trainer.video.decode import Image, read_frames, resize

_LONGEST_SIDE = 640
_QUALITY = 82
#: Of a keypoint's mark, for pictures that are shown at half their size or less.
_RADIUS = 7.5
_ERROR_RADIUS = 5.0
#: Frames that were not trained on say more.
_UNSEEN: tuple[SetName, ...] = ("validation", "test", "outOfDistribution")


@dataclass(frozen=True)
class WorstFrame:
    """A labelled frame that the network is wrong about."""

    picture: str
    """A data URI."""
    path: str
    set: SetName
    mean_pixels: float
    worst_keypoint: str
    worst_pixels: float


@dataclass(frozen=True)
class SampleFrame:
    """A frame of a video."""

    picture: str
    number: int
    seconds: float


def worst_frames(material: Material, most: int) -> list[WorstFrame]:
    """The frames of the largest mean error: those that were not trained on first, then the others."""
    results = material.predictions.frames
    rows = worst_rows(results, most)
    with _archive(material) as archive:
        return [_worst_frame(material, archive, row) for row in rows]


def worst_rows(results: FrameResults, most: int) -> list[int]:
    """Rows of ``results`` with labels, the worst first."""
    labelled = [row for row, pixels in enumerate(results.pixel_error) if np.isfinite(pixels).any()]
    ordered = sorted(
        labelled, key=lambda row: (results.sets[row] not in _UNSEEN, -np.nanmean(results.pixel_error[row]))
    )
    return ordered[:most]


def sample_frames(material: Material, video: Video, poses: Poses, count: int) -> list[SampleFrame]:
    """``count`` frames of a video at equal distances, with what was predicted on them."""
    frames = len(poses)
    numbers = sorted({round((place + 0.5) * frames / count - 0.5) for place in range(min(count, frames))})
    with source_of(material, video) as (path, index):
        rate = max(index.frames_per_second, 1e-6)
        return [
            SampleFrame(_posed(material, next(read_frames(path, index, number, number + 1)), poses, number),
                        number, number / rate)
            for number in numbers
        ]  # fmt: skip


def data_uri(image: Image) -> str:
    """A picture (height, width, 3), RGB, as a JPEG inside a URI."""
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


def _posed(material: Material, frame: Image, poses: Poses, number: int) -> str:
    image, source, shown = _fitted(frame)
    points = between(poses.points[number], source, shown)
    draw_pose(image, points, poses.confidence[number], material.style, _RADIUS)
    return data_uri(image)


def _worst_frame(material: Material, archive: FrameArchive, row: int) -> WorstFrame:
    results, colours = material.predictions.frames, material.style.colours
    frame, errors = results.frames[row], results.pixel_error[row]
    image, source, shown = _fitted(archive.image(frame.path))
    points = between(results.poses.points[row], source, shown)
    labels = between(label_points([frame], len(colours))[0], source, shown)
    for keypoint, colour in enumerate(colours):
        draw_label(image, labels[keypoint], points[keypoint], colour, _ERROR_RADIUS)
    for keypoint in np.flatnonzero(np.isfinite(errors)).tolist():
        draw_dot(image, points[keypoint], colours[keypoint], _ERROR_RADIUS)
    worst = int(np.nanargmax(errors))
    return WorstFrame(
        picture=data_uri(image),
        path=frame.path,
        set=results.sets[row],
        mean_pixels=float(np.nanmean(errors)),
        worst_keypoint=material.predictions.keypoints[worst],
        worst_pixels=float(errors[worst]),
    )


def _fitted(frame: Image) -> tuple[Image, Grid, Grid]:
    """A copy whose longer side is as long as the page wants, the frame's size, and the copy's."""
    height, width = frame.shape[:2]
    ratio = _LONGEST_SIDE / max(height, width)
    shown = Grid(max(1, round(height * ratio)), max(1, round(width * ratio)))
    return resize(frame, (shown.height, shown.width)).copy(), Grid(height, width), shown


@contextmanager
def _archive(material: Material) -> Iterator[FrameArchive]:
    stored = material.prepared.frames_archive
    path = material.cache.fetch(material.context.prepared, stored.key, stored.size_bytes, stored.sha256)
    archive = FrameArchive(path)
    try:
        yield archive
    finally:
        archive.close()
        material.cache.release(path)
