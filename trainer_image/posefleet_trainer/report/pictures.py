"""The pictures of the page: labelled frames with large errors, and sample frames of videos, with poses drawn in."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from posefleet_trainer.dataset.frame_archive import FrameArchive
from posefleet_trainer.dataset.pose_subspaces import label_points
from posefleet_trainer.dataset.split import SetName
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.prediction.results import FrameResults, Poses
from posefleet_trainer.report.drawing import Style, draw_dot, draw_label, draw_pose
from posefleet_trainer.video.decode import Image, read_frames, resize
from posefleet_trainer.video.index import VideoIndex

_LONGEST_SIDE = 640
_JPEG_QUALITY = 82
#: Radius of a keypoint's mark in pixels. The page shows the pictures at half their size or less.
_RADIUS = 7.5
_ERROR_RADIUS = 5.0
#: Frames that were not trained on say more about the model.
_UNSEEN: tuple[SetName, ...] = ("validation", "test", "outOfDistribution", "heldOut")


@dataclass(frozen=True)
class WorstFrame:
    """A labelled frame on which the predictions are far from the labels."""

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
    """A data URI."""
    number: int
    seconds: float


def worst_frames(
    archive: FrameArchive, results: FrameResults, keypoints: Sequence[str], style: Style, most: int
) -> list[WorstFrame]:
    """Draw at most ``most`` labelled frames, in the order of ``worst_rows``."""
    return [_worst_frame(archive, results, keypoints, style, row) for row in worst_rows(results, most)]


def worst_rows(results: FrameResults, most: int) -> list[int]:
    """Return the rows of labelled frames by descending mean error, with all training frames after the others."""
    labelled = [row for row, pixels in enumerate(results.pixel_error) if np.isfinite(pixels).any()]
    ordered = sorted(
        labelled, key=lambda row: (results.sets[row] not in _UNSEEN, -np.nanmean(results.pixel_error[row]))
    )
    return ordered[:most]


def sample_frames(path: Path, index: VideoIndex, poses: Poses, style: Style, count: int) -> list[SampleFrame]:
    """Draw the poses on ``count`` frames of a video at equal distances.

    Raises:
        UnreadableVideo: The frames cannot be decoded.
    """
    frames = len(poses)
    numbers = sorted({round((place + 0.5) * frames / count - 0.5) for place in range(min(count, frames))})
    rate = max(index.frames_per_second, 1e-6)
    samples = []
    for number in numbers:
        frame = next(read_frames(path, index, number, number + 1))
        picture = _draw_prediction(frame, poses, number, style)
        samples.append(SampleFrame(picture, number, number / rate))
    return samples


def data_uri(image: Image) -> str:
    """Encode an image (height, width, 3), RGB, as a JPEG in a data URI."""
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


def _draw_prediction(frame: Image, poses: Poses, number: int, style: Style) -> str:
    image, source, shown = _resize_for_page(frame)
    points = between(poses.points[number], source, shown)
    draw_pose(image, points, poses.confidence[number], style, _RADIUS)
    return data_uri(image)


def _worst_frame(
    archive: FrameArchive, results: FrameResults, keypoints: Sequence[str], style: Style, row: int
) -> WorstFrame:
    frame, errors = results.frames[row], results.pixel_error[row]
    image, source, shown = _resize_for_page(archive.image(frame.path))
    points = between(results.poses.points[row], source, shown)
    labels = between(label_points([frame], len(keypoints))[0], source, shown)
    for keypoint, colour in enumerate(style.colours):
        draw_label(image, labels[keypoint], points[keypoint], colour, _ERROR_RADIUS)
    for keypoint in np.flatnonzero(np.isfinite(errors)).tolist():
        draw_dot(image, points[keypoint], style.colours[keypoint], _ERROR_RADIUS)
    worst = int(np.nanargmax(errors))
    return WorstFrame(
        picture=data_uri(image),
        path=frame.path,
        set=results.sets[row],
        mean_pixels=float(np.nanmean(errors)),
        worst_keypoint=keypoints[worst],
        worst_pixels=float(errors[worst]),
    )


def _resize_for_page(frame: Image) -> tuple[Image, Grid, Grid]:
    """Return a copy whose longer side has ``_LONGEST_SIDE`` pixels, the size of ``frame``, and that of the copy."""
    height, width = frame.shape[:2]
    ratio = _LONGEST_SIDE / max(height, width)
    shown = Grid(max(1, round(height * ratio)), max(1, round(width * ratio)))
    return resize(frame, (shown.height, shown.width)).copy(), Grid(height, width), shown
