"""What a project consists of, as far as it decides how its manifest is written."""

import io
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Header

from posefleet_api.dataset import Dataset, Output
from posefleet_api.job import Spec
from posefleet_api.model import Losses, SingleViewPcaLoss, TemporalLoss
from posefleet_api.training import Predict
from posefleet_cli.lightning_pose_config import TakenConfig, parse_config
from posefleet_cli.video_headers import video_size
from posefleet_trainer.dataset.formats.recordings import recordings
from posefleet_trainer.dataset.prepared import LabelledFrame, SourceFile
from posefleet_trainer.dataset.project import Project, read_project
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.preparation.frames import Sizes, check_labels
from posefleet_trainer.store.base import Store

_CONFIG = "config.yaml"
#: The header of a picture, with its size, is in the first bytes; rarely, metadata of a camera come before it.
_HEADER_BYTES = 2**16
_PARALLEL_READS = 16


@dataclass(frozen=True)
class Findings:
    """What was found in a project folder."""

    format: str
    labels: str
    """``dataset.labels``."""
    columns: tuple[str, ...]
    """The keypoints that the labels name."""
    keypoints: list[str]
    """Those of which a frame has a usable label."""
    frames: list[LabelledFrame]
    sizes: list[tuple[tuple[int, int], int]]
    """(width, height) of the labelled frames with how many there are, the most frequent first."""
    frames_bytes: int
    videos: list[SourceFile]
    video_sizes: set[tuple[int, int]]
    patterns: list[str]
    """The patterns that select ``videos``, if the default does not; empty if it does."""
    warnings: list[str]


def read_config(store: Store, elsewhere: Path | None) -> TakenConfig | None:
    """Read the Lightning Pose ``config.yaml`` of the project, or the file ``elsewhere``; None without one.

    Raises:
        InvalidInput: the file cannot be read, or ``elsewhere`` is not a config of Lightning Pose.
    """
    if elsewhere is None:
        return parse_config(store.read(_CONFIG), _CONFIG) if store.find(_CONFIG) else None
    try:
        config = parse_config(elsewhere.read_bytes(), str(elsewhere))
    except OSError as error:
        raise InvalidInput(f"cannot read {elsewhere}: {error.strerror}") from None
    if config is None:
        raise InvalidInput(f"{elsewhere} is not a config.yaml of Lightning Pose; leave out --config")
    return config


def inspect_project(store: Store, config: TakenConfig | None) -> Findings:
    """Read the labels and the sizes of the pictures, and look for videos.

    Raises:
        InvalidInput: the project cannot be trained as it is, or the config is of another project.
        StoreUnreachable: the store did not answer.
    """
    dataset = Dataset(uri="file:///project/")
    if config and config.labels:
        dataset = dataset.model_copy(update={"labels": config.labels})
    project = read_project(store, _spec(dataset, Predict().videos))
    patterns: list[str] = []
    if not project.predict_videos:
        patterns = _patterns(recordings(stored.key for stored in store.list("videos/"))[0])
        project = read_project(store, _spec(dataset, patterns))
    columns = project.labels.labels.keypoints
    _check_config(config, columns, project.labels.labels.name)
    sizes = _sizes(store, project)
    usable = check_labels(project, sizes)
    video_sizes = {video.path: video_size(store, video) for video in project.predict_videos}
    unreadable = [
        f"{path} cannot be opened ({size}), and the job will be refused; replace it, or leave it out with "
        "dataset.videos and predict.videos"
        for path, size in video_sizes.items()
        if isinstance(size, str)
    ]
    return Findings(
        format=project.labels.format,
        labels=dataset.labels,
        columns=columns,
        keypoints=usable.keypoints,
        frames=usable.frames,
        sizes=Counter((frame.width, frame.height) for frame in usable.frames).most_common(),
        frames_bytes=sum(source.size_bytes for source in project.frames.values()),
        videos=list(project.predict_videos),
        video_sizes={size for size in video_sizes.values() if not isinstance(size, str)},
        patterns=patterns,
        warnings=[*project.warnings, *usable.warnings, *unreadable],
    )


def _spec(dataset: Dataset, videos: list[str]) -> Spec:
    """Return a manifest that selects everything of a project, whether it has videos or not."""
    off = Losses(temporal=TemporalLoss(weight=0), pca_single_view=SingleViewPcaLoss(weight=0))
    return Spec(dataset=dataset, output=Output(uri="file:///output/"), losses=off, predict=Predict(videos=videos))


def _patterns(videos: Iterable[str]) -> list[str]:
    """Return a pattern for each extension of the recordings."""
    return sorted({f"videos/*.{path.rpartition('.')[2]}" for path in videos})


def _check_config(config: TakenConfig | None, columns: tuple[str, ...], labels: str) -> None:
    if config and config.keypoints and config.keypoints != list(columns):
        raise InvalidInput(
            f"{config.name} has other data.keypoint_names ({', '.join(config.keypoints[:3])}, …) than {labels} "
            f"({', '.join(columns[:3])}, …); it belongs to another project: name the right one with "
            "--config, or remove it"
        )


def _sizes(store: Store, project: Project) -> Sizes:
    """Return the size of every labelled picture, of which only the header is read."""

    def size(source: SourceFile) -> list[int]:
        head = store.read_range(source.stored(), 0, min(_HEADER_BYTES, source.size_bytes))
        found = _size(head) or _size(store.read(source.path))
        if found is None:
            raise InvalidInput(f"{store.uri}{source.path} cannot be read as a picture; replace it or remove its row")
        return found

    sources = list(project.frames.values())
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        return {source.path: found for source, found in zip(sources, pool.map(size, sources), strict=True)}


def _size(content: bytes) -> list[int] | None:
    try:
        with Header.open(io.BytesIO(content)) as header:
            return list(header.size)
    except Exception:
        return None
