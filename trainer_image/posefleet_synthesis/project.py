"""Writes the whole project folder, one process a recording."""

import csv
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np

from posefleet_synthesis.animal import KEYPOINTS
from posefleet_synthesis.appearance import DAY, DUSK, varied
from posefleet_synthesis.numbers import Array, Image, Mask, random_source
from posefleet_synthesis.recording import FRAMES_PER_SECOND, Recording, Shot, record
from posefleet_trainer.store.base import Store

_OUT_OF_DISTRIBUTION_NAME = "dusk_1"


@dataclass(frozen=True)
class Plan:
    """What to write."""

    directory: Path
    seed: int
    videos: int
    """The last one has no labelled frames, if there are several."""
    frames: int
    """Frames a video."""
    labels: int
    """Labelled frames in all, spread evenly over the labelled videos."""
    out_of_distribution: int
    """Labelled frames of another animal in another light."""
    size: int
    """Side of the square frames in pixels."""

    @property
    def labelled_videos(self) -> int:
        """How many videos have labelled frames."""
        return max(1, self.videos - 1)


@dataclass
class Labels:
    """Labelled frames of one recording."""

    names: list[str] = field(default_factory=list)
    points: list[Array] = field(default_factory=list)


def write_project(plan: Plan, workers: int, report: Callable[[str], None]) -> None:
    """Write videos, labelled frames, labels and truth; the bytes depend on ``plan`` alone.

    Args:
        plan: what to write.
        workers: processes at once.
        report: is told of every recording that is done.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        films = [pool.submit(_write_video, plan, number) for number in range(plan.videos)]
        unusual = pool.submit(_write_out_of_distribution, plan)
        labels = Labels()
        for number, film in enumerate(films):
            part = film.result()
            labels.names += part.names
            labels.points += part.points
            report(f"videos/{video_name(number)}.mp4: {plan.frames} frames, {len(part.names)} of them labelled")
        write_points(plan.directory / "CollectedData.csv", labels.names, labels.points)
        other = unusual.result()
        write_points(plan.directory / "CollectedData_new.csv", other.names, other.points)
        report(f"CollectedData.csv: {len(labels.names)} frames; CollectedData_new.csv: {len(other.names)} frames")


def video_name(number: int) -> str:
    """The name of a video, without its extension."""
    return f"run_{number + 1}"


def _write_video(plan: Plan, number: int) -> Labels:
    cv2.setNumThreads(1)
    name = video_name(number)
    appearance = varied(DAY, random_source(plan.seed, number, 5))
    recording = record((plan.seed, number), plan.frames, plan.size, appearance)
    shots: list[Shot] = []
    film = plan.directory / "videos" / f"{name}.mp4"
    write_film(film, _pictures(recording, shots), plan.size, FRAMES_PER_SECOND)
    truth = plan.directory / "truth"
    write_points(truth / f"{name}.csv", range(plan.frames), [shot.points for shot in shots])
    write_visibility(truth / f"{name}_visible.csv", [shot.visible for shot in shots])
    if number >= plan.labelled_videos:
        return Labels()
    share = len(range(number, plan.labels, plan.labelled_videos))
    return _label(plan, recording, name, dict(enumerate(shots)), share, read_film(film))


def _pictures(recording: Recording, shots: list[Shot]) -> Iterator[Image]:
    """The recording's pictures; their truth is appended to ``shots`` without them."""
    for frame in range(len(recording)):
        shot = recording.shot(frame)
        shots.append(Shot(shot.picture[:, :1], shot.points, shot.visible, shot.behind_prop))
        yield shot.picture


def _write_out_of_distribution(plan: Plan) -> Labels:
    cv2.setNumThreads(1)
    recording = record((plan.seed, 1000), plan.frames, plan.size, DUSK)
    chosen = _spread(recording, plan.out_of_distribution)
    shots = {frame: recording.shot(frame) for frame in chosen}
    pictures = (shots[frame].picture if frame in shots else _NO_PICTURE for frame in range(plan.frames))
    return _label(plan, recording, _OUT_OF_DISTRIBUTION_NAME, shots, plan.out_of_distribution, pictures)


_NO_PICTURE: Image = np.zeros((0, 0, 3), dtype=np.uint8)


def _label(
    plan: Plan, recording: Recording, name: str, shots: dict[int, Shot], count: int, pictures: Iterator[Image]
) -> Labels:
    """Label ``count`` frames of a recording and write their pictures as the film shows them."""
    folder = plan.directory / "labeled-data" / name
    folder.mkdir(parents=True, exist_ok=True)
    chosen = set(_spread(recording, count))
    source = random_source(*recording.key, 7)
    labels = Labels()
    for frame, picture in enumerate(pictures):
        if frame in chosen:
            cv2.imwrite(str(folder / f"img{frame:06d}.png"), picture[..., ::-1])
            labels.names.append(f"labeled-data/{name}/img{frame:06d}.png")
            labels.points.append(labels_of(shots[frame], source))
    return labels


def _spread(recording: Recording, count: int) -> list[int]:
    """``count`` different frames, spread over the recording with some chance."""
    edges = np.linspace(0, len(recording), count + 1).astype(int)
    source = random_source(*recording.key, 6)
    return sorted({int(source.integers(low, max(low + 1, high))) for low, high in pairwise(edges)})


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


SCORER = "synthesis"
#: How far a person's click lands from the point that was meant, in pixels of a 256-pixel frame.
_CLICK_DEVIATION = 0.4
#: How often a person leaves a point out that a prop hides, and one that the animal itself hides.
_LEFT_OUT_BEHIND_PROP, _LEFT_OUT_BEHIND_BODY = 0.75, 0.15


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


_TRUTH = "truth"


def upload_project(directory: Path, store: Store) -> int:
    """Put a project's files into ``store``, without its truth, which no training must see; 0 as an exit code.

    Raises:
        InvalidInput: the bucket is missing, or may not be written to.
        StoreUnreachable: the store does not answer.
    """
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory)
        if path.is_file() and inside.parts[0] != _TRUTH:
            store.upload(path, inside.as_posix())
    return 0
