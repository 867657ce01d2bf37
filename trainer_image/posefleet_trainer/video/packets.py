"""The packets of a clip as a small video file in memory, which a GPU decoder gets instead of the whole file."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from posefleet_trainer.video.container import UnreadableVideo, opened
from posefleet_trainer.video.index import VideoIndex

#: Matroska timestamps are in milliseconds; frames 10 ms apart stay distinct whatever the rate of the source.
_TIME_BASE = Fraction(1, 100)


def clip_packets(path: Path, index: VideoIndex, start: int, length: int) -> tuple[bytes, int]:
    """Copy the packets from the key frame before ``start`` to the end of the clip into a Matroska file.

    Returns:
        The content of the file, and how many of its frames come before frame ``start``.

    Raises:
        UnreadableVideo: the file does not contain the packets of all these frames.
    """
    stop = start + length
    with opened(path, index.name) as (container, stream):
        for key in index.keys_before(start):
            packets = _packets_of(container, stream, index, key, stop)
            numbers = sorted(number for number, _ in packets)
            if packets and numbers[-1] >= stop - 1 and packets[0][1].is_keyframe and numbers[0] <= start:
                return _muxed(stream, packets), numbers.index(start)
    raise UnreadableVideo(index.name, f"has no packets for frames {start} to {stop - 1}")


def _packets_of(container: Any, stream: Any, index: VideoIndex, key: int, stop: int) -> list[tuple[int, Any]]:
    """Return (frame number, packet) in decoding order from the key frame at ``key`` to frame ``stop`` (exclusive)."""
    container.seek(key, stream=stream)
    found: list[tuple[int, Any]] = []
    missing = set(range(index.number_of(key) or 0, stop))
    for packet in container.demux(stream):
        number = index.number_of(packet.pts) if packet.size else None
        # Frames that are shown before their key frame refer to the group before it and cannot be decoded from here.
        if number is None or packet.pts < key:
            continue
        found.append((number, packet))
        missing.discard(number)
        if not missing:
            break
    return found


def _muxed(stream: Any, packets: list[tuple[int, Any]]) -> bytes:
    buffer = io.BytesIO()
    first = min(number for number, _ in packets)
    with av.open(buffer, "w", format="matroska") as output:
        copy = output.add_stream_from_template(stream)
        for place, (number, packet) in enumerate(packets):
            packet.stream = copy
            packet.time_base = _TIME_BASE
            # Decoding timestamps keep the order; 16 less, the longest reordering, keeps each at or below its pts.
            packet.pts, packet.dts = number - first, place - 16
            packet.duration = 1
            output.mux(packet)
    return buffer.getvalue()
