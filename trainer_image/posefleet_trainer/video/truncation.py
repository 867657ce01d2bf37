"""Files that end before their own headers say: an upload or a recording that broke off.

A decoder reads such files as far as they go and calls that the whole video, so the containers' own sizes are asked:
ISO 14496-12 (mp4, mov) section 4.2, Microsoft RIFF (avi), RFC 8794 (matroska, webm).
"""

from pathlib import Path
from typing import BinaryIO

from posefleet_trainer.video.container import UnreadableVideo

_SEGMENT = b"\x18\x53\x80\x67"
_EBML = b"\x1a\x45\xdf\xa3"


def check_whole(path: Path, name: str) -> None:
    """Raises:
    UnreadableVideo: the file is shorter than its container says.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        promised = _promised_bytes(file, size)
    if promised > size:
        raise UnreadableVideo(
            name,
            f"is truncated: it has {size:,} bytes, and its header promises {promised:,}",
            "upload it again, or take it out of the patterns in dataset.videos and predict.videos",
        )


def _promised_bytes(file: BinaryIO, size: int) -> int:
    head = file.read(12)
    file.seek(0)
    if head[:4] == b"RIFF":
        return 8 + int.from_bytes(head[4:8], "little")
    if head[:4] == _EBML:
        return _ebml_end(file)
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free"}:
        return _boxes_end(file, size)
    return 0


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Where the last top-level box ends."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            # 0 means to the end of the file; anything else is no box.
            return size
        end += length
    return end


def _ebml_end(file: BinaryIO) -> int:
    """Where the first segment ends; 0 where its size was left open (live recordings)."""
    file.seek(4)
    length, _ = _vint(file)
    file.seek(length, 1)
    if file.read(4) != _SEGMENT:
        return 0
    length, known = _vint(file)
    return file.tell() + length if known else 0


def _vint(file: BinaryIO) -> tuple[int, bool]:
    """A variable-length size, and whether it is a real one (all ones mean unknown)."""
    first = file.read(1)
    if not first or first[0] == 0:
        return 0, False
    width = 9 - first[0].bit_length()
    bits = 7 * width
    value = int.from_bytes(first + file.read(width - 1), "big") & ((1 << bits) - 1)
    return value, value != (1 << bits) - 1
