"""Small real videos of every kind that labs send, written by FFmpeg; frame n shows n by its pictures."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH = 96, 128


@dataclass
class Recording:
    """How a video is written; ``save`` writes it."""

    frames: int = 40
    codec: str = "libx264"
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    gaps_ms: tuple[int, ...] = (40,)
    container_options: dict[str, str] = field(default_factory=dict)
    rotation: int = 0

    def save(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", options=self.container_options) as output:
            stream = output.add_stream(self.codec, rate=25, options=self.options)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, self.pixels
            stream.codec_context.time_base = Fraction(1, 1000)
            if self.rotation:
                stream.set_display_rotation(self.rotation)
            time = 0
            for number in range(self.frames):
                frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
                frame.pts, frame.time_base = time, Fraction(1, 1000)
                time += self.gaps_ms[number % len(self.gaps_ms)]
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return path


#: A key frame every 12 frames, and nowhere else.
REGULAR = {"g": "12", "sc_threshold": "0"}
KINDS = {
    "h264 with B-frames": (Recording(options={"bf": "3", **REGULAR}), "mp4"),
    "h264 with one key frame": (Recording(options={"g": "1000"}), "mp4"),
    "h264 with open groups": (Recording(options={"g": "10", "x264-params": "open-gop=1:bframes=3"}), "mp4"),
    "variable frame rate": (Recording(gaps_ms=(10, 70, 33, 41), options=REGULAR), "mp4"),
    "yuv444p": (Recording(pixels="yuv444p", options=REGULAR), "mp4"),
    "hevc": (Recording(codec="libx265", options={"x265-params": "log-level=none:keyint=12"}), "mp4"),
    "mpeg4 in mp4": (Recording(codec="mpeg4", options={"bf": "2"}), "mp4"),
    "mpeg4 in avi": (Recording(codec="mpeg4", options={"bf": "2"}), "avi"),
    "h264 in avi": (Recording(), "avi"),
    "mjpeg": (Recording(codec="mjpeg", pixels="yuvj420p"), "avi"),
    "vp9": (Recording(codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8", "g": "12"}), "mkv"),
    "transport stream": (Recording(options=REGULAR), "ts"),
    "fragmented mp4": (
        Recording(options=REGULAR, container_options={"movflags": "frag_keyframe"}),
        "mp4",
    ),
}


def picture(number: int) -> np.ndarray:
    """(height, width, 3) uint8: a bright square that walks over a grey that grows."""
    image = np.full((HEIGHT, WIDTH, 3), 40 + number * 3 % 120, dtype=np.uint8)
    left = number * 5 % (WIDTH - 24)
    image[30:54, left : left + 24] = (250, 200, 30)
    return image


def save_from_packet(source: Path, target: Path, first: int) -> Path:
    """A copy of ``source`` without its packets before number ``first``, as recorders and cuts without encoding make."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(whole.streams.video[0])
        packets = [packet for packet in whole.demux(video=0) if packet.size]
        for packet in packets[first:]:
            packet.stream = stream
            output.mux(packet)
    return target


def second_key_packet(path: Path) -> int:
    """The number of the packet that the second group of frames begins with."""
    with av.open(str(path)) as container:
        keys = [number for number, packet in enumerate(container.demux(video=0)) if packet.is_keyframe]
    return keys[1]


def decode_all(path: Path) -> list[np.ndarray]:
    """Every frame, front to back, by FFmpeg alone."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
