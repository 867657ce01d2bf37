"""The index of a video: which frames it has, when each is shown, and from which key frames it can be decoded."""

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
    """The frames of one video in the order in which they are shown: frame n has the timestamp ``pts[n]``."""

    name: str
    """What messages call the video: its path inside the project folder."""
    width: int
    height: int
    frames: int
    frames_per_second: float
    """The average, if the frame rate varies."""
    pts: Timestamps
    """(frames,) presentation timestamps in units of the stream's time base, ascending. Empty if the container has no
    usable timestamps; frames are then counted from the beginning."""
    key_pts: Timestamps
    """The timestamps of the key frames, ascending."""

    @property
    def seekable(self) -> bool:
        """Whether a frame can be decoded without decoding all the frames before it."""
        return len(self.pts) > 0

    def number_of(self, pts: int | None) -> int | None:
        """Return the number of the frame with the timestamp ``pts``, or None if there is none."""
        if pts is None or not self.seekable:
            return None
        number = int(np.searchsorted(self.pts, pts))
        return number if number < self.frames and self.pts[number] == pts else None

    def keys_before(self, number: int) -> list[int]:
        """Return the timestamps of the key frames from which to try to decode frame ``number``.

        They are the nearest one, the one before it, and the first of the video, without repetitions.
        """
        nearest = max(0, int(np.searchsorted(self.key_pts, self.pts[number], side="right")) - 1)
        return [int(self.key_pts[i]) for i in dict.fromkeys((nearest, max(0, nearest - 1), 0))]

    def save(self, path: Path) -> None:
        """Write the index to an ``.npz`` file without pickled objects."""
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
        """Read an index that ``save`` wrote."""
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
    """Build the index of a video file from the timestamps of its packets; decode all of it if they are unusable.

    The beginning and the end are always decoded: a recording or a cut may leave packets there that refer to frames
    that are not in the file, and no decoder makes frames of those.

    Raises:
        UnreadableVideo: the file is not a video, is truncated, has a rotation in its display matrix, or has no frame
            that can be decoded.
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
    """Return the first frame that can be decoded, or None if there is none.

    Raises:
        UnreadableVideo: the frame has a rotation, which OpenCV applies and this decoder does not.
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
    """Return ``pts`` from that of the frame ``first`` on, or None if it is not among them."""
    if pts is None or first is None or first.pts not in pts:
        return None
    return pts[pts.index(first.pts) :]


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the frames from the current position of the container on, without those of damaged packets."""
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
    """Return the ascending timestamps of all packets and of the key frames.

    The former are None if a packet has no timestamp, or two packets have the same.
    """
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
    """Return ``pts`` without the packets at the end that give no frame, or None if decoding gives other timestamps."""
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
