"""Labelled videos: the predicted videos with their keypoints drawn in, as mp4 that a browser can play."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np

from posefleet_trainer.context import Rank
from posefleet_trainer.dataset.prepared import Video
from posefleet_trainer.gang.collectives import total
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.output_folder import LABELLED_VIDEOS_FOLDER
from posefleet_trainer.prediction.csv_files import VideoFiles
from posefleet_trainer.prediction.project_files import ProjectFiles
from posefleet_trainer.prediction.results import Poses, PredictedVideo
from posefleet_trainer.report.drawing import LOW_CONFIDENCE, Style, draw_pose, legend, write_heading
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.cache import CacheFull
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.video.decode import Image, read_frames
from posefleet_trainer.video.index import VideoIndex

#: Smaller frames are enlarged to this height, so that text is legible.
_LEGIBLE_HEIGHT = 640
_MOST_WIDTH, _MOST_HEIGHT = 1920, 1440
_YIELD_EVERY = 32
_NOTE = f"hollow: confidence < {LOW_CONFIDENCE:g}"
#: The first encoder that FFmpeg has is used.
_ENCODERS = (
    ("libx264", {"crf": "21", "preset": "veryfast"}),
    ("mpeg4", {"qmin": "3", "qmax": "6"}),
)
#: How often the ranks exchange their progress; far less than the timeout of a collective, however long the videos are.
_EXCHANGE_SECONDS = 15.0
#: How often a rank checks whether the cache has room for its video.
_CHECK_CACHE_SECONDS = 1.0
#: The share of the stage report; the rest is the page.
_PERCENT_OF_STAGE = 90.0


@dataclass(frozen=True)
class VideoWithPoses:
    """A video on this node and what was predicted on it."""

    path: Path
    index: VideoIndex
    poses: Poses


class LabelledVideoWriter:
    """Writes labelled videos to the output folder, one after the other.

    Args:
        project_files: Opens the videos.
        video_files: Reads the predicted poses.
        output: The output folder.
        cache_directory: Where each labelled video is written before it is uploaded.
        keypoints: The names of the keypoints.
        style: The look of the keypoints.
    """

    def __init__(
        self,
        project_files: ProjectFiles,
        video_files: VideoFiles,
        output: Store,
        cache_directory: Path,
        keypoints: Sequence[str],
        style: Style,
    ) -> None:
        self.cache_full: CacheFull | None = None
        """Why ``write`` is waiting at present: the videos of other ranks fill the cache of the node."""
        self._project_files = project_files
        self._video_files = video_files
        self._output = output
        self._cache_directory = cache_directory
        self._keypoints = keypoints
        self._style = style

    def write(self, videos: Sequence[PredictedVideo]) -> Iterator[int]:
        """Write ``videos``, and yield every few frames how many were written since the last time.

        While the cache has no room for a video, it yields 0 after each wait.

        Raises:
            InvalidInput: A video is missing, was changed after it was prepared, or cannot be decoded.
        """
        with TemporaryDirectory(dir=self._cache_directory, prefix="labelled-") as folder:
            target = Path(folder) / "labelled.mp4"
            for predicted in videos:
                poses = self._video_files.read_poses(predicted)
                with ExitStack() as stack:
                    while (opened := self._open(stack, predicted.video)) is None:
                        time.sleep(_CHECK_CACHE_SECONDS)
                        yield 0
                    source = VideoWithPoses(*opened, poses)
                    yield from write_labelled_video(source, self._keypoints, self._style, target)
                self._output.upload(target, labelled_video_key(predicted), "video/mp4")
                target.unlink()

    def _open(self, stack: ExitStack, video: Video) -> tuple[Path, VideoIndex] | None:
        """Open the video until ``stack`` is closed; None if the cache has no room for it."""
        try:
            opened = stack.enter_context(self._project_files.video(video))
        except CacheFull as error:
            self.cache_full = error
            return None
        self.cache_full = None
        return opened


def labelled_video_key(predicted: PredictedVideo) -> str:
    """Return the key of a labelled video in the output folder."""
    return f"{LABELLED_VIDEOS_FOLDER}{predicted.name}.mp4"


def write_labelled_videos(
    writer: LabelledVideoWriter, videos: Sequence[PredictedVideo], rank: Rank, progress: ProgressTracker
) -> None:
    """Write the labelled videos and report the progress. All ranks must call it together.

    Video i is written by rank i mod world.

    Raises:
        InvalidInput: A video is missing, was changed after it was prepared, or cannot be decoded.
        CacheFull: The cache has no room for a video although no rank has a video in use.
    """
    frames = max(1, sum(predicted.video.frames for predicted in videos))
    writing = writer.write(videos[rank.index :: rank.world])
    unfinished, written = True, 0.0
    while unfinished:
        newly_written, unfinished_ranks = total(_advance(writing))
        written += newly_written
        unfinished = unfinished_ranks > 0
        if unfinished and not newly_written and writer.cache_full is not None:
            raise writer.cache_full
        progress.update(_PERCENT_OF_STAGE * written / frames)


def _advance(writing: Iterator[int]) -> tuple[int, bool]:
    """Write for ``_EXCHANGE_SECONDS``; return the number of frames, and whether some may be left."""
    until = time.monotonic() + _EXCHANGE_SECONDS
    written = 0
    for frames in writing:
        written += frames
        if time.monotonic() > until:
            return written, True
    return written, False


def write_labelled_video(source: VideoWithPoses, keypoints: Sequence[str], style: Style, target: Path) -> Iterator[int]:
    """Write an mp4 that shows each frame of ``source`` with its pose, and a legend beside it.

    Frames are processed one at a time, so memory does not grow with the length of the video. The function yields every
    few frames how many were written since the last time; the file is complete when the iterator ends.

    Raises:
        UnreadableVideo: The source cannot be decoded.
    """
    index = source.index
    size = canvas_size(Grid(index.height, index.width))
    text = max(13, size.height // 46)
    radius = max(3.5, min(size.height, size.width) / 130)
    panel, top = legend(keypoints, style.colours, size.height, text, _NOTE)
    panel = panel[:, : panel.shape[1] // 2 * 2]

    def images() -> Iterator[Image]:
        frames = read_frames(source.path, index, 0, index.frames, (size.height, size.width))
        for number, frame in enumerate(frames):
            image = frame.copy()
            points = between(source.poses.points[number], Grid(index.height, index.width), size)
            draw_pose(image, points, source.poses.confidence[number], style, radius)
            write_heading(panel, top, text, number, number / max(index.frames_per_second, 1e-6))
            yield np.concatenate([image, panel], axis=1)

    yield from write_video(target, images(), Grid(size.height, size.width + panel.shape[1]), index.frames_per_second)


def canvas_size(source: Grid) -> Grid:
    """Return the size at which frames of ``source`` are shown: legible, not huge, and even, as encoders require."""
    enlarged = min(max(1.0, _LEGIBLE_HEIGHT / source.height), max(1.0, _MOST_WIDTH / source.width))
    ratio = min(enlarged, _MOST_WIDTH / source.width, _MOST_HEIGHT / source.height)
    return Grid(_even(source.height * ratio), _even(source.width * ratio))


def write_video(target: Path, images: Iterable[Image], size: Grid, frames_per_second: float) -> Iterator[int]:
    """Write an mp4 of ``images`` (height, width, 3), RGB, that a browser can play while it loads.

    Yields as ``write_labelled_video`` does.
    """
    with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as output:
        stream = _add_stream(output, size, frames_per_second)
        written = 0
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = number
            output.mux(stream.encode(frame))
            written += 1
            if written == _YIELD_EVERY:
                yield written
                written = 0
        output.mux(stream.encode(None))
        yield written


def _add_stream(output: Any, size: Grid, frames_per_second: float) -> Any:
    name, options = next(encoder for encoder in _ENCODERS if encoder[0] in av.codecs_available)
    # MPEG-4 stores the rate as a fraction of 16-bit numbers.
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
