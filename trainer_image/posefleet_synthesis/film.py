"""Films: h264 files written from pictures and read back, always to the same bytes."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from posefleet_synthesis.numbers import Image

_OPTIONS = {
    "crf": "16",
    "preset": "veryfast",
    "g": "60",
    # Macroblock trees read memory that x264 has not written, and some of its fast code rounds by processor.
    "x264-params": "mbtree=0:cpu-independent=1",
}


def write_film(path: Path, pictures: Iterable[Image], size: int, frames_per_second: int) -> None:
    """Encode square RGB pictures as h264 in mp4. One thread, because x264's output depends on their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(frames_per_second))
        stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        stream.options = dict(_OPTIONS)
        stream.codec_context.thread_count = 1
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def read_film(path: Path) -> Iterator[Image]:
    """Every picture of a film, RGB, in order."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
