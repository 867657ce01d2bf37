"""Proxies: copies of videos at training size with a key frame every 16 frames, which makes random clips cheap."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from posefleet_trainer.video.decode import Image, Size, read_frames
from posefleet_trainer.video.index import VideoIndex

GOP_FRAMES = 16

#: Encoders in order of preference. The quality is visually lossless at training size, and no frame refers to a later
#: one (bf=0), because that would make random access more expensive.
_ENCODERS = (
    ("libx264", {"crf": "12", "preset": "veryfast", "bf": "0", "sc_threshold": "0"}),
    ("mpeg4", {"qmin": "2", "qmax": "2", "bf": "0", "sc_threshold": "1000000000"}),
)


def write_proxy(
    source: Path,
    index: VideoIndex,
    target: Path,
    size: Size,
    *,
    threads: int = 1,
    advance: Callable[[int], None] = lambda frames: None,
) -> None:
    """Transcode ``source`` to an mp4 at ``target``: frame n of it is frame n of the source, resized to ``size``.

    Args:
        source: the video.
        index: its index.
        target: the file to write.
        size: (height, width) of the proxy.
        threads: how many threads decode and encode.
        advance: is called after every few frames with their number; an exception that it raises stops the work.

    Raises:
        UnreadableVideo: the source cannot be decoded.
    """
    frames = read_frames(source, index, 0, index.frames, size, threads=threads)
    # The timestamps of the proxy only count frames, so a variable rate of the source becomes a constant one.
    rate = max(1, min(1000, round(index.frames_per_second)))
    write_frames(target, frames, size, rate, threads=threads, advance=advance)


def write_frames(
    target: Path,
    frames: Iterable[Image],
    size: Size,
    frames_per_second: int,
    *,
    threads: int = 1,
    advance: Callable[[int], None] = lambda frames: None,
) -> None:
    """Encode ``frames``, which all have the size ``size``, with the settings of a proxy."""
    with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as output:
        stream = _add_stream(output, Fraction(frames_per_second), size)
        stream.codec_context.thread_count = threads
        for packet in _encoded(stream, frames, advance):
            output.mux(packet)


def _encoded(stream: Any, frames: Iterable[Image], advance: Callable[[int], None]) -> Iterator[Any]:
    done = 0
    for image in frames:
        picture = av.VideoFrame.from_ndarray(image, format="rgb24")
        picture.pts = done
        yield from stream.encode(picture)
        done += 1
        if done % GOP_FRAMES == 0:
            advance(GOP_FRAMES)
    yield from stream.encode(None)
    advance(done % GOP_FRAMES)


def _add_stream(output: Any, rate: Fraction, size: Size) -> Any:
    name, options = next(encoder for encoder in _ENCODERS if encoder[0] in av.codecs_available)
    stream = output.add_stream(name, rate=rate, options=options)
    stream.height, stream.width = size
    stream.pix_fmt = "yuv420p"
    stream.gop_size = GOP_FRAMES
    stream.time_base = 1 / rate
    return stream
