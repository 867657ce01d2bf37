"""The labelled frames in one file: an uncompressed tar whose members are the pictures as they were."""

import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

from posefleet_trainer.dataset.images import decode_image
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.video.resize import Image


def write_archive(target: Path, pictures: Iterable[tuple[str, bytes]]) -> None:
    """A tar of (path, content) pairs; the same pairs give the same bytes."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in pictures:
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


class FrameArchive:
    """Reads single frames of an archive; safe to use from several threads, and across a fork."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        with tarfile.open(path) as archive:
            self._places = {member.name: (member.offset_data, member.size) for member in archive if member.isreg()}

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def encoded(self, path: str) -> bytes:
        """The picture as it was stored.

        Raises:
            InvalidInput: no such frame.
        """
        if path not in self._places:
            raise InvalidInput(f"{path} is not among the prepared frames; apply the job again to prepare them anew")
        offset, size = self._places[path]
        return os.pread(self._file.fileno(), size, offset)

    def image(self, path: str) -> Image:
        """The picture as (height, width, 3) uint8 RGB."""
        return decode_image(self.encoded(path), path)
