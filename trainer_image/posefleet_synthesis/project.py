"""Writing a whole project folder, with one process for each recording, and uploading it to a store."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from posefleet_synthesis.appearance import DAY, DUSK, vary_appearance
from posefleet_synthesis.files import labels_of, read_film, write_film, write_points, write_visibility
from posefleet_synthesis.numbers import Array, Image, random_source
from posefleet_synthesis.recording import FRAMES_PER_SECOND, Recording, Shot, record
from posefleet_trainer.store.base import Store

_OUT_OF_DISTRIBUTION_NAME = "dusk_1"
_TRUTH = "truth"


@dataclass(frozen=True)
class Plan:
    """The contents of a project folder."""

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
        report: is called with a line of text for every recording that is done.
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
    appearance = vary_appearance(DAY, random_source(plan.seed, number, 5))
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
