"""The few packets that hold a clip, as a small video of their own: what NVDEC is given instead of whole files."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from posefleet_trainer.video.container import UnreadableVideo, opened
from posefleet_trainer.video.index import VideoIndex

#: Matroska counts milliseconds; frames 10 ms apart stay apart whatever the source's rate.
_TIME_BASE = Fraction(1, 100)


def clip_packets(path: Path, index: VideoIndex, start: int, length: int) -> tuple[bytes, int]:
    """A matroska file with the packets from the key frame before ``start`` to the clip's end, undecoded.

    Returns it with the number of frames in it that come before frame ``start``. Needs ``index.seekable``.

    Raises:
        UnreadableVideo: the packets are not there.
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
    """(frame number, packet) in decoding order from the key frame at ``key`` until all frames to ``stop`` are in."""
    container.seek(key, stream=stream)
    found: list[tuple[int, Any]] = []
    missing = set(range(index.number_of(key) or 0, stop))
    for packet in container.demux(stream):
        number = index.number_of(packet.pts) if packet.size else None
        # Frames shown before their key frame need the group before it, and cannot be decoded from here.
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
            # Decoding order is kept by steps of one; the longest reordering (16 frames) keeps dts at or under pts.
            packet.pts, packet.dts = number - first, place - 16
            packet.duration = 1
            output.mux(packet)
    return buffer.getvalue()
