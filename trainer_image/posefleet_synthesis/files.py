"""The files of a project: films, labels as a person would give them, and the truth."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from posefleet_synthesis.animal import KEYPOINTS
from posefleet_synthesis.numbers import Array, Image, Mask
from posefleet_synthesis.recording import Shot

_OPTIONS = {
    "crf": "16",
    "preset": "veryfast",
    "g": "60",
    # Macroblock trees read memory that x264 has not written, and some of its fast code rounds by processor.
    "x264-params": "mbtree=0:cpu-independent=1",
}
SCORER = "synthesis"
#: How far a person's click lands from the point that was meant, in pixels of a 256-pixel frame.
_CLICK_DEVIATION = 0.4
#: How often a person leaves a point out that a prop hides, and one that the animal itself hides.
_LEFT_OUT_BEHIND_PROP, _LEFT_OUT_BEHIND_BODY = 0.75, 0.15


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
    """Yield every picture of a film in order, RGB."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def labels_of(shot: Shot, source: np.random.Generator) -> Array:
    """(keypoints, 2) what a person would click in one frame, NaN for points left out."""
    size = shot.picture.shape[0]
    clicks: Array = shot.points + source.normal(size=shot.points.shape) * _CLICK_DEVIATION * size / 256.0
    chance = np.where(shot.behind_prop, _LEFT_OUT_BEHIND_PROP, np.where(shot.visible, 0.0, _LEFT_OUT_BEHIND_BODY))
    outside = ((clicks < 0) | (clicks > size - 1)).any(axis=1)
    clicks[(source.uniform(size=len(chance)) < chance) | outside] = np.nan
    return clicks


def write_points(path: Path, names: Iterable[object], points: Sequence[Array]) -> None:
    """Write rows of (keypoints, 2) under the three header rows scorer, bodyparts, coords."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["scorer", *[SCORER] * (2 * len(KEYPOINTS))])
        writer.writerow(["bodyparts", *[name for name in KEYPOINTS for _ in "xy"]])
        writer.writerow(["coords", *["x", "y"] * len(KEYPOINTS)])
        for name, row in zip(names, points, strict=True):
            writer.writerow([name, *("" if np.isnan(value) else f"{value:.3f}" for value in row.ravel())])


def write_visibility(path: Path, visible: Sequence[Mask]) -> None:
    """Write one row a frame: 1 where nothing stands in front of a keypoint, else 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["frame", *KEYPOINTS])
        for frame, row in enumerate(visible):
            writer.writerow([frame, *row.astype(int)])
