"""The size of a video's pictures, read from its header without downloading the video."""

import io

import av

from posefleet_trainer.dataset.prepared import SourceFile
from posefleet_trainer.errors import first_line
from posefleet_trainer.store.base import Store, StoredObject
from posefleet_trainer.video.container import FORMATS

_READ_BYTES = 2**18


def video_size(store: Store, source: SourceFile) -> tuple[int, int] | str:
    """Return (width, height), or why the video cannot be opened."""
    with io.BufferedReader(_StoredFile(store, source.stored()), _READ_BYTES) as file:
        try:
            with av.open(file, options={"format_whitelist": FORMATS}) as container:
                stream = container.streams.video[0]
                return stream.width, stream.height
        except (av.error.FFmpegError, ValueError, IndexError) as error:
            return first_line(error)


class _StoredFile(io.RawIOBase):
    """An object of a store as a file that can be read and sought."""

    def __init__(self, store: Store, stored: StoredObject) -> None:
        self._store = store
        self._stored = stored
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to ``offset`` from the start, the position, or the end."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._stored.size_bytes}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as the object has bytes, and return how many."""
        length = min(len(buffer), self._stored.size_bytes - self._position)
        if length <= 0:
            return 0
        content = self._store.read_range(self._stored, self._position, length)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
