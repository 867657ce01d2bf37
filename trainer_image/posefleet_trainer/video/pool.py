"""Random clips from many videos and threads, without opening a file for each."""

import threading
from collections import OrderedDict
from pathlib import Path

from posefleet_trainer.video.decode import Size, VideoReader
from posefleet_trainer.video.index import VideoIndex
from posefleet_trainer.video.resize import Image


class ClipReader:
    """Reads clips; each thread keeps its own few decoders open, because a decoder serves one thread at a time."""

    def __init__(self, open_per_thread: int = 4) -> None:
        self._limit = open_per_thread
        self._local = threading.local()

    def clip(self, path: Path, index: VideoIndex, start: int, length: int, size: Size | None = None) -> Image:
        """``length`` frames from ``start`` as (frame, height, width, 3) uint8 RGB."""
        return self._reader(path, index).clip(start, length, size)

    def _reader(self, path: Path, index: VideoIndex) -> VideoReader:
        readers: OrderedDict[Path, VideoReader] = self._local.__dict__.setdefault("readers", OrderedDict())
        reader = readers.pop(path, None) or VideoReader(path, index)
        readers[path] = reader
        if len(readers) > self._limit:
            _, oldest = readers.popitem(last=False)
            oldest.close()
        return reader
