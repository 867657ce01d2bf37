"""Decoding exact frames of a video by their numbers, and the only filter that resizes pictures.

All pictures that a network sees are resized by ``resize``, so that training and prediction see the same pixels.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from posefleet_trainer.telemetry.metrics import DECODED_FRAMES
from posefleet_trainer.video.container import UnreadableVideo, open_video
from posefleet_trainer.video.index import VideoIndex, decoded

_log = logging.getLogger(__name__)

Image = NDArray[np.uint8]
"""(height, width, 3) RGB, or (frame, height, width, 3) for a clip."""

Size = tuple[int, int]
"""(height, width) in pixels."""


def resize(image: Image, size: Size) -> Image:
    """Resize ``image`` (height, width, 3) to ``size``.

    Shrinking averages the source pixels under each target pixel (area sampling, without aliasing); enlarging
    interpolates linearly. Both map pixel centres as ``models/coordinates.py`` does: target x is source
    ``(x + 0.5) * ratio - 0.5``.
    """
    height, width = size
    if image.shape[:2] == (height, width):
        return image
    shrinks = height <= image.shape[0] and width <= image.shape[1]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


def read_frames(
    path: Path, index: VideoIndex, start: int, stop: int, size: Size | None = None, *, threads: int = 1
) -> Generator[Image, None, None]:
    """Yield the frames from ``start`` up to ``stop`` (exclusive) as (height, width, 3) uint8 RGB.

    A damaged frame is replaced by the frame before it, or by the one after it if there is none before, so that every
    other frame keeps its number.

    Raises:
        UnreadableVideo: no frame can be decoded from ``start`` on.
    """
    reader = VideoReader(path, index, threads)
    try:
        yield from reader.frames(start, stop, size)
    finally:
        reader.close()


def read_clip(path: Path, index: VideoIndex, start: int, length: int, size: Size | None = None) -> Image:
    """Return ``length`` consecutive frames from ``start`` on as (frame, height, width, 3) uint8 RGB."""
    return np.stack(list(read_frames(path, index, start, start + length, size)))


class VideoReader:
    """An open decoder of one video, for use by one thread at a time."""

    def __init__(self, path: Path, index: VideoIndex, threads: int = 1) -> None:
        self._index = index
        self._open = partial(open_video, path, index.name, threads)
        self._container, self._stream = self._open()
        self._reformatter = VideoReformatter()

    def close(self) -> None:
        """Close the file and free the decoder."""
        self._container.close()

    def clip(self, start: int, length: int, size: Size | None = None) -> Image:
        """Return ``length`` frames from ``start`` on, as ``read_clip`` does."""
        return np.stack(list(self.frames(start, start + length, size)))

    def frames(self, start: int, stop: int, size: Size | None = None) -> Iterator[Image]:
        """Yield the frames from ``start`` up to ``stop``, as ``read_frames`` does."""
        if not 0 <= start <= stop <= self._index.frames:
            raise ValueError(f"{self._index.name} has {self._index.frames} frames, not {start} to {stop}")
        number = start
        image: Image | None = None
        for shown, frame in self._numbered(start, stop):
            if shown > number:
                _log.warning("%s: frames %d to %d are damaged", self._index.name, number, shown - 1)
            before, image = image, self._image(frame, size)
            while number < shown:
                yield image if before is None else before
                number += 1
            if shown >= start:
                yield image
                number = shown + 1
        if number < stop and image is None:
            raise UnreadableVideo(self._index.name, f"has no frame that can be decoded from number {start} on")
        for _ in range(number, stop):
            assert image is not None
            yield image

    def _numbered(self, start: int, stop: int) -> Iterator[tuple[int, Any]]:
        """Yield frames with their numbers up to ``stop``.

        If frame ``start`` itself is damaged, the last frame before it comes first.
        """
        before: tuple[int, Any] | None = None
        for number, frame in self._from(start):
            DECODED_FRAMES.inc()
            if number >= stop:
                break
            if number < start:
                before = (number, frame)
                continue
            if number > start and before is not None:
                yield before
            before = None
            yield number, frame
            if number == stop - 1:
                return
        if before is not None:
            yield before

    def _from(self, start: int) -> Iterator[tuple[int, Any]]:
        """Yield frames with their numbers, beginning at or before ``start`` if a key frame there can be decoded."""
        if not self._index.seekable:
            # Some containers without timestamps cannot seek back to their beginning.
            self._container.close()
            self._container, self._stream = self._open()
            yield from enumerate(decoded(self._container, self._stream))
            return
        keys = self._index.keys_before(start)
        for key in keys:
            self._container.seek(key, stream=self._stream)
            frames = self._with_numbers(decoded(self._container, self._stream))
            first = next(frames, None)
            if first is not None and (first[0] <= start or key == keys[-1]):
                yield first
                yield from frames
                return

    def _with_numbers(self, frames: Iterator[Any]) -> Iterator[tuple[int, Any]]:
        for frame in frames:
            number = self._index.number_of(frame.pts)
            if number is not None:
                yield number, frame

    def _image(self, frame: Any, size: Size | None) -> Image:
        rgb = self._reformatter.reformat(frame, self._index.width, self._index.height, "rgb24")
        image: Image = np.asarray(rgb.to_ndarray(), dtype=np.uint8)
        return image if size is None else resize(image, size)


class ClipReader:
    """Reads clips of many videos from several threads.

    A decoder serves one thread at a time, so each thread keeps its own decoders open: those of the
    ``open_per_thread`` videos that it read last.
    """

    def __init__(self, open_per_thread: int = 4) -> None:
        self._limit = open_per_thread
        self._local = threading.local()

    def clip(self, path: Path, index: VideoIndex, start: int, length: int, size: Size | None = None) -> Image:
        """Return ``length`` frames from ``start`` on as (frame, height, width, 3) uint8 RGB."""
        return self._reader(path, index).clip(start, length, size)

    def _reader(self, path: Path, index: VideoIndex) -> VideoReader:
        readers: OrderedDict[Path, VideoReader] = self._local.__dict__.setdefault("readers", OrderedDict())
        reader = readers.pop(path, None) or VideoReader(path, index)
        readers[path] = reader
        if len(readers) > self._limit:
            _, oldest = readers.popitem(last=False)
            oldest.close()
        return reader
