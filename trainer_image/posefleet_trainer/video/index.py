"""Which frames a video has, and from where each can be decoded."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from posefleet_trainer.video.container import UnreadableVideo, check_whole, opened

Timestamps = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """The frames of one video in the order they are shown; frame n is shown at ``pts[n]``."""

    name: str
    """What messages call the video: its path in the project folder."""
    width: int
    height: int
    frames: int
    frames_per_second: float
    """On average, for a variable frame rate."""
    pts: Timestamps
    """(frames,) in units of the stream's time base, ascending. Empty where the container has no usable timestamps:
    then frames are counted from the start."""
    key_pts: Timestamps
    """Timestamps of the key frames, ascending."""

    @property
    def seekable(self) -> bool:
        """Whether a frame can be reached without decoding all before it."""
        return len(self.pts) > 0

    def number_of(self, pts: int | None) -> int | None:
        """The frame shown at ``pts``."""
        if pts is None or not self.seekable:
            return None
        number = int(np.searchsorted(self.pts, pts))
        return number if number < self.frames and self.pts[number] == pts else None

    def keys_before(self, number: int) -> list[int]:
        """Timestamps of key frames to decode frame ``number`` from: the nearest, the one before, the first."""
        nearest = max(0, int(np.searchsorted(self.key_pts, self.pts[number], side="right")) - 1)
        return [int(self.key_pts[i]) for i in dict.fromkeys((nearest, max(0, nearest - 1), 0))]

    def save(self, path: Path) -> None:
        """As an ``.npz`` without pickles."""
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                name=np.frombuffer(self.name.encode(), dtype=np.uint8),
                shape=np.array([self.width, self.height, self.frames], dtype=np.int64),
                frames_per_second=np.float64(self.frames_per_second),
                pts=self.pts,
                key_pts=self.key_pts,
            )

    @classmethod
    def load(cls, path: Path) -> "VideoIndex":
        """What ``save`` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            width, height, frames = (int(value) for value in stored["shape"])
            return cls(
                name=stored["name"].tobytes().decode(),
                width=width,
                height=height,
                frames=frames,
                frames_per_second=float(stored["frames_per_second"]),
                pts=stored["pts"],
                key_pts=stored["key_pts"],
            )


def build_index(path: Path, name: str) -> VideoIndex:
    """The index of a video file, from its packets, and from decoding where those do not tell.

    Both ends are always decoded, because containers count packets there that no decoder makes a frame of: those that
    the recording or a cut has severed from what they refer to.

    Raises:
        UnreadableVideo: no video, truncated, with a rotation (display matrix), or without a single frame.
    """
    with opened(path, name) as (container, stream):
        width, height = stream.codec_context.width, stream.codec_context.height
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        pts, keys = _packet_timestamps(container, stream)
    check_whole(path, name)
    first = _first_frame(path, name)
    shown = _shown(path, name, _from_first(pts, first), keys)
    frames = _count(path, name) if shown is None else len(shown)
    if frames == 0:
        raise UnreadableVideo(name, "has no frame that can be decoded")
    return VideoIndex(
        name=name,
        width=width,
        height=height,
        frames=frames,
        frames_per_second=rate if rate > 0 else 25.0,
        pts=np.array([] if shown is None else shown, dtype=np.int64),
        key_pts=np.array([] if shown is None else keys, dtype=np.int64),
    )


def _first_frame(path: Path, name: str) -> Any:
    """The first frame that can be decoded; None if there is none.

    Raises:
        UnreadableVideo: its display matrix turns the pictures, which OpenCV obeys and this decoder does not.
    """
    with opened(path, name) as (container, stream):
        first = next(decoded(container, stream), None)
    if first is not None and first.rotation:
        raise UnreadableVideo(
            name,
            f"carries a rotation of {first.rotation} degrees, which players and OpenCV apply and this trainer does not",
            "turn the pictures themselves with: ffmpeg -i in.mp4 -c:v libx264 -crf 17 out.mp4",
        )
    return first


def _from_first(pts: list[int] | None, first: Any) -> list[int] | None:
    """``pts`` from the first frame on that can be decoded; None if it is not among them."""
    if pts is None or first is None or first.pts not in pts:
        return None
    return pts[pts.index(first.pts) :]


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames from where the container stands; what is damaged is passed over."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue
        yield from frames


def _packet_timestamps(container: Any, stream: Any) -> tuple[list[int] | None, list[int]]:
    """Ascending timestamps of all packets (None if one has none, or two the same), and of key frames."""
    shown: list[int | None] = []
    keys: list[int] = []
    for packet in _packets(container, stream):
        if packet.is_keyframe and packet.pts is not None:
            keys.append(packet.pts)
        if not packet.is_discard:
            shown.append(packet.pts)
    known = sorted({pts for pts in shown if pts is not None})
    return (known if known and keys and len(known) == len(shown) else None), sorted(keys)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        if packet.size:
            yield packet


def _shown(path: Path, name: str, pts: list[int] | None, keys: list[int]) -> list[int] | None:
    """``pts`` without what the end of the video does not hold; None if they do not match what is decoded."""
    if pts is None:
        return None
    last_key = keys[-1]
    expected = [value for value in pts if value >= last_key]
    with opened(path, name) as (container, stream):
        container.seek(last_key, stream=stream)
        found = [frame.pts for frame in decoded(container, stream)]
    found = [value for value in found if value is None or value >= last_key]
    if found and found == expected[: len(found)]:
        return pts[: len(pts) - len(expected) + len(found)]
    return None


def _count(path: Path, name: str) -> int:
    with opened(path, name, threads=0) as (container, stream):
        return sum(1 for _ in decoded(container, stream))
