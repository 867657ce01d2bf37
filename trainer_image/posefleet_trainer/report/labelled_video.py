"""A predicted video with its keypoints drawn in."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from posefleet_trainer.evaluation.results import Poses
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.report.drawing import LOW_CONFIDENCE, Style, draw_pose
from posefleet_trainer.report.lettering import legend, write_heading
from posefleet_trainer.video.decode import read_frames
from posefleet_trainer.video.index import VideoIndex
from posefleet_trainer.video.resize import Image

#: Small pictures are enlarged to this height, so that text is legible.
_LEGIBLE_HEIGHT = 640
_MOST_WIDTH, _MOST_HEIGHT = 1920, 1440
_YIELD_EVERY = 32
_NOTE = f"hollow: confidence < {LOW_CONFIDENCE:g}"

_ENCODERS = (
    ("libx264", {"crf": "21", "preset": "veryfast"}),
    ("mpeg4", {"qmin": "3", "qmax": "6"}),
)


@dataclass(frozen=True)
class Source:
    """A video and what was predicted on it."""

    path: Path
    index: VideoIndex
    poses: Poses


def write_labelled_video(source: Source, keypoints: Sequence[str], style: Style, target: Path) -> Iterator[int]:
    """An mp4 at ``target`` with one picture for each frame of the source: the frame, and a legend beside it.

    Frames stream through: memory does not grow with the video. Yields how many were written since it last did; the
    file is whole when the iterator ends.

    Raises:
        UnreadableVideo: the source cannot be decoded.
    """
    index = source.index
    size = canvas_size(Grid(index.height, index.width))
    text = max(13, size.height // 46)
    radius = max(3.5, min(size.height, size.width) / 130)
    panel, top = legend(keypoints, style.colours, size.height, text, _NOTE)
    panel = panel[:, : panel.shape[1] // 2 * 2]

    def pictures() -> Iterator[Image]:
        frames = read_frames(source.path, index, 0, index.frames, (size.height, size.width))
        for number, frame in enumerate(frames):
            picture = frame.copy()
            points = between(source.poses.points[number], Grid(index.height, index.width), size)
            draw_pose(picture, points, source.poses.confidence[number], style, radius)
            write_heading(panel, top, text, number, number / max(index.frames_per_second, 1e-6))
            yield np.concatenate([picture, panel], axis=1)

    yield from write_video(target, pictures(), Grid(size.height, size.width + panel.shape[1]), index.frames_per_second)


def canvas_size(source: Grid) -> Grid:
    """The size that frames of ``source`` are shown at: legible, not huge, and even, as the encoders want."""
    enlarged = min(max(1.0, _LEGIBLE_HEIGHT / source.height), max(1.0, _MOST_WIDTH / source.width))
    ratio = min(enlarged, _MOST_WIDTH / source.width, _MOST_HEIGHT / source.height)
    return Grid(_even(source.height * ratio), _even(source.width * ratio))


def write_video(target: Path, pictures: Iterable[Image], size: Grid, frames_per_second: float) -> Iterator[int]:
    """An mp4 of ``pictures`` (height, width, 3), RGB, that a browser can play while it loads; yields as
    ``write_labelled_video`` does."""
    with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as output:
        stream = _add_stream(output, size, frames_per_second)
        done = 0
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = number
            output.mux(stream.encode(frame))
            done += 1
            if done == _YIELD_EVERY:
                yield done
                done = 0
        output.mux(stream.encode(None))
        yield done


def _add_stream(output: Any, size: Grid, frames_per_second: float) -> Any:
    name, options = next(encoder for encoder in _ENCODERS if encoder[0] in av.codecs_available)
    # What MPEG-4 can say of a rate is limited, and so is what a person can see.
    rate = Fraction(min(1000.0, max(1.0, frames_per_second))).limit_denominator(1001)
    rate = rate if rate.numerator < 2**16 else Fraction(round(rate))
    stream = output.add_stream(name, rate=rate, options=options)
    stream.height, stream.width = size.height, size.width
    stream.pix_fmt = "yuv420p"
    stream.time_base = 1 / rate
    stream.codec_context.thread_count = 1
    return stream


def _even(pixels: float) -> int:
    return max(2, round(pixels / 2) * 2)
