"""The archive of the labelled frames' pictures, and the decoding of a picture.

The archive is an uncompressed tar, so that one download brings all the pictures to a node and each is read from its
place. Pictures come from users: their size is checked before they are decoded.
"""

import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Header

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.telemetry.metrics import DECODED_FRAMES
from posefleet_trainer.video.decode import Image

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 2**26


class FrameArchive:
    """Reads single pictures of an archive. It is safe to use from several threads, and after a fork."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        with tarfile.open(path) as archive:
            self._places = {member.name: (member.offset_data, member.size) for member in archive if member.isreg()}

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def encoded(self, path: str) -> bytes:
        """Return the file of the picture ``path`` as it was uploaded.

        Raises:
            InvalidInput: the archive has no such picture.
        """
        if path not in self._places:
            raise InvalidInput(f"{path} is not among the prepared frames; apply the job again to prepare them again")
        offset, size = self._places[path]
        return os.pread(self._file.fileno(), size, offset)

    def image(self, path: str) -> Image:
        """Return the picture ``path`` as (height, width, 3) uint8 RGB.

        Raises:
            InvalidInput: the archive has no such picture.
        """
        return decode_image(self.encoded(path), path)


def write_archive(target: Path, pictures: Iterable[tuple[str, bytes]]) -> None:
    """Write (path, file content) pairs as a tar to ``target``; equal pairs give equal bytes."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in pictures:
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def decode_image(content: bytes, name: str) -> Image:
    """Decode a picture to (height, width, 3) uint8 RGB.

    An EXIF rotation is ignored, because labels refer to the pixels as they are stored.

    Raises:
        InvalidInput: ``content`` is not a picture, damaged, or too large; the message calls it ``name``.
    """
    _check_header(content, name)
    encoded = np.frombuffer(content, dtype=np.uint8)
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if decoded is None:
        raise InvalidInput(f"{name} is a damaged picture; replace it or remove its row")
    DECODED_FRAMES.inc()
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _check_header(content: bytes, name: str) -> None:
    """Refuse a picture that would take too much memory to decode, judging by its header alone."""
    if len(content) > MAX_FILE_BYTES:
        raise InvalidInput(f"{name} has more than {MAX_FILE_BYTES // 2**20} MiB; store smaller pictures")
    try:
        with Header.open(io.BytesIO(content)) as header:
            width, height = header.size
    except Header.DecompressionBombError:
        width = height = MAX_PIXELS
    except Exception as error:
        raise InvalidInput(f"{name} cannot be read as a picture; replace it or remove its row") from error
    if width * height > MAX_PIXELS:
        raise InvalidInput(f"{name} has more than {MAX_PIXELS:,} pixels; store smaller pictures")
