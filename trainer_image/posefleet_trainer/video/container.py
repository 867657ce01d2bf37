"""Opening of video files that nobody vouches for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av

from posefleet_trainer.errors import InvalidInput

#: Wider and higher than any camera's picture; a header that asks for more is a mistake or an attack.
MAX_PIXELS = 2**26

#: Containers of recordings. Playlists and the like, which name other files and addresses, are not among them.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,mjpeg,ogg,flv,asf,"
    "yuv4mpegpipe,nut,ivf,gif,apng,dv,mxf"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_REMEDY = "write it anew with: ffmpeg -i FILE -c:v libx264 -pix_fmt yuv420p NEW.mp4"


class UnreadableVideo(InvalidInput):
    """A file that cannot be read as a video. The message names it and what to do."""

    def __init__(self, name: str, problem: str, remedy: str = _REMEDY) -> None:
        super().__init__(f"{name} {problem}; {remedy}")


@contextmanager
def opened(path: Path, name: str, threads: int = 1) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream; see ``open_video``."""
    container, stream = open_video(path, name, threads)
    try:
        yield container, stream
    finally:
        container.close()


def open_video(path: Path, name: str, threads: int = 1) -> tuple[Any, Any]:
    """The container and its first video stream, decoding with ``threads`` threads (0: one a core).

    Raises:
        UnreadableVideo: called by ``name`` in the message.
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
