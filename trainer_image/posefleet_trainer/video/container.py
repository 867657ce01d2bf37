"""Opening video files that come from users, and finding out why one cannot be read.

FFmpeg may open only containers of recordings on the local disk, and the header must ask for a plausible picture.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av

from posefleet_trainer.errors import InvalidInput

#: No camera has more pixels; a header that asks for more is damaged or an attack on the memory.
MAX_PIXELS = 2**26

#: The containers of recordings. Playlists are left out, because they refer to other files and addresses.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,mjpeg,ogg,flv,asf,"
    "yuv4mpegpipe,nut,ivf,gif,apng,dv,mxf"
)
_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
_REMEDY = "re-encode it with: ffmpeg -i FILE -c:v libx264 -pix_fmt yuv420p NEW.mp4"


class UnreadableVideo(InvalidInput):
    """A file cannot be read as a video. The message names the file, the problem and the remedy."""

    def __init__(self, name: str, problem: str, remedy: str = _REMEDY) -> None:
        super().__init__(f"{name} {problem}; {remedy}")


@contextmanager
def opened(path: Path, name: str, threads: int = 1) -> Iterator[tuple[Any, Any]]:
    """Open a video for the block: the container and its first video stream, as ``open_video`` returns them."""
    container, stream = open_video(path, name, threads)
    try:
        yield container, stream
    finally:
        container.close()


def open_video(path: Path, name: str, threads: int = 1) -> tuple[Any, Any]:
    """Open a video and return its container and its first video stream.

    Args:
        path: the file.
        name: what messages call the file.
        threads: how many threads decode; 0 means one for each core.

    Raises:
        UnreadableVideo: the file is not a video, or its codec or its picture size cannot be handled.
    """
    try:
        container = av.open(str(path), options=dict(_OPTIONS))
    except (av.error.FFmpegError, ValueError) as error:
        raise UnreadableVideo(name, _why_unopened(path), _upload_remedy(path)) from error
    try:
        return container, _video_stream(container, name, threads)
    except BaseException:
        container.close()
        raise


def _video_stream(container: Any, name: str, threads: int) -> Any:
    if not container.streams.video:
        raise UnreadableVideo(name, "has no video stream", "take it out of the patterns")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None:
        raise UnreadableVideo(name, "is encoded with a codec that cannot be read here")
    if not 0 < context.width * context.height <= MAX_PIXELS:
        raise UnreadableVideo(name, f"claims pictures of {context.width}x{context.height} pixels")
    context.thread_count = threads
    context.thread_type = "SLICE" if threads == 1 else "AUTO"
    return stream


def _why_unopened(path: Path) -> str:
    if path.stat().st_size == 0:
        return "has 0 bytes"
    head = _head(path)
    if head[4:8] == b"ftyp":
        return "is truncated: its table of frames (the moov box) is missing"
    return "is text, not a video" if _is_text(head) else "is not a video, or damaged"


def _upload_remedy(path: Path) -> str:
    if path.stat().st_size == 0 or _head(path)[4:8] == b"ftyp":
        return "upload it again, or take it out of the patterns in dataset.videos and predict.videos"
    return "replace it, or take it out of the patterns in dataset.videos and predict.videos"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8", errors="strict" if len(head) < 4096 else "ignore")
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


_SEGMENT = b"\x18\x53\x80\x67"
_EBML = b"\x1a\x45\xdf\xa3"


def check_whole(path: Path, name: str) -> None:
    """Check that the file is as long as its container says.

    Raises:
        UnreadableVideo: the file has been truncated.
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
    """Return how long the container says that the file is; 0 if it does not say."""
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
    """Return where the last top-level box of an mp4 or mov file ends."""
    end = 0
    while end + 8 <= size:
        file.seek(end)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            # A length of 0 means up to the end of the file; other lengths below 8 cannot be those of a box.
            return size
        end += length
    return end


def _ebml_end(file: BinaryIO) -> int:
    """Return where the first segment of a Matroska file ends; 0 if its size is left open, as in live recordings."""
    file.seek(4)
    length, _ = _vint(file)
    file.seek(length, 1)
    if file.read(4) != _SEGMENT:
        return 0
    length, known = _vint(file)
    return file.tell() + length if known else 0


def _vint(file: BinaryIO) -> tuple[int, bool]:
    """Read a variable-length integer; the flag is False if it stands for an unknown size (all bits are ones)."""
    first = file.read(1)
    if not first or first[0] == 0:
        return 0, False
    width = 9 - first[0].bit_length()
    bits = 7 * width
    value = int.from_bytes(first + file.read(width - 1), "big") & ((1 << bits) - 1)
    return value, value != (1 << bits) - 1
