"""A predicted video with its keypoints drawn in."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np

from posefleet_trainer.dataset.prepared import Video
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.gang.collectives import total
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.output_folder import LABELLED_VIDEOS_FOLDER
from posefleet_trainer.prediction.results import Poses, PredictedVideo
from posefleet_trainer.report.drawing import LOW_CONFIDENCE, Style, draw_pose, legend, write_heading
from posefleet_trainer.report.material import Material
from posefleet_trainer.store.cache import CacheFull
from posefleet_trainer.video.container import UnreadableVideo
from posefleet_trainer.video.decode import Image, read_frames
from posefleet_trainer.video.index import VideoIndex

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


#: Ranks meet this often, far below the patience of a collective, however unequal the videos are.
_MEET_EVERY_SECONDS = 15.0
#: How often a rank looks whether the others have left room for its video.
_LOOK_AGAIN_SECONDS = 1.0
#: What remains is the page.
_PERCENT_OF_VIDEOS = 90.0


def video_uris(material: Material) -> list[str]:
    """Where the labelled videos are."""
    if not material.context.job.spec.predict.labelled_video:
        return []
    output = material.context.output
    return [f"{output.uri}{LABELLED_VIDEOS_FOLDER}{video.name}.mp4" for video in material.predictions.videos]


def write_labelled_videos(material: Material) -> None:
    """Write every video with its keypoints drawn in; all ranks call it together. Video i is rank (i mod world)'s.

    Raises:
        InvalidInput: a video cannot be decoded.
        CacheFull: the cache has no room for a video although no rank uses it.
    """
    rank = material.context.rank
    videos = material.predictions.videos
    frames = max(1, sum(predicted.video.frames for predicted in videos))
    work = _Work(material, videos[rank.index :: rank.world])
    unfinished, done = True, 0.0
    while unfinished:
        mine, left = work.go_on()
        more, ranks_left = total([mine, left])
        done += more
        unfinished = ranks_left > 0
        if unfinished and not more and work.full is not None:
            raise work.full
        material.context.progress.update(_PERCENT_OF_VIDEOS * done / frames)


class _Work:
    """One rank's videos. ``full`` says why it waits: the files of the other ranks fill the cache of the node."""

    def __init__(self, material: Material, videos: list[PredictedVideo]) -> None:
        self.full: CacheFull | None = None
        self._material = material
        self._frames = self._write(videos)

    def go_on(self) -> tuple[int, bool]:
        """Work for a while; how many frames were written, and whether there are more."""
        until = time.monotonic() + _MEET_EVERY_SECONDS
        written = 0
        for frames in self._frames:
            written += frames
            if time.monotonic() > until:
                return written, True
        return written, False

    def _write(self, videos: list[PredictedVideo]) -> Iterator[int]:
        material = self._material
        keypoints, style = material.predictions.keypoints, material.style
        with TemporaryDirectory(dir=material.context.cache_directory, prefix="labelled-") as folder:
            target = Path(folder) / "labelled.mp4"
            for predicted in videos:
                poses = material.poses(predicted)
                with ExitStack() as held:
                    while (source := self._source(held, predicted.video)) is None:
                        time.sleep(_LOOK_AGAIN_SECONDS)
                        yield 0
                    path, index = source
                    yield from write_labelled_video(Source(path, index, poses), keypoints, style, target)
                material.context.output.upload(target, f"{LABELLED_VIDEOS_FOLDER}{predicted.name}.mp4", "video/mp4")
                target.unlink()

    def _source(self, held: ExitStack, video: Video) -> tuple[Path, VideoIndex] | None:
        """The video until ``held`` ends; None while there is no room for it."""
        try:
            source = held.enter_context(source_of(self._material, video))
        except CacheFull as full:
            self.full = full
            return None
        self.full = None
        return source


@contextmanager
def source_of(material: Material, video: Video) -> Iterator[tuple[Path, VideoIndex]]:
    """A video of the project and its index, on this node for the duration."""
    context, cache = material.context, material.cache
    source, stored = video.source, video.index
    path = cache.fetch(context.project, source.path, source.size_bytes, source.etag)
    try:
        index_path = cache.fetch(context.prepared, stored.key, stored.size_bytes, stored.sha256)
        try:
            yield path, VideoIndex.load(index_path)
        finally:
            cache.release(index_path)
    except UnreadableVideo as error:
        raise InvalidInput(f"{context.project.uri}{error}") from error
    finally:
        cache.release(path)
