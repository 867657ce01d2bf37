"""Preparing labelled frames: their pictures are downloaded and decoded, their labels checked against the pictures."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from posefleet_trainer.dataset.formats.labels import LabelRow, LabelTable
from posefleet_trainer.dataset.frame_archive import MAX_FILE_BYTES, decode_image, write_archive
from posefleet_trainer.dataset.prepared import FrameSet, LabelledFrame
from posefleet_trainer.dataset.project import Project
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store

_PARALLEL_DOWNLOADS = 8
_SHOWN_EXAMPLES = 3

Sizes = dict[str, list[int]]
"""[width, height] of each picture, by its path."""


def archive_frames(project_folder: Store, project: Project, target: Path) -> Sizes:
    """Download every labelled picture, check that it can be decoded, and write all of them to one archive.

    Raises:
        InvalidInput: a picture is missing, damaged or too large; the message names it.
    """
    sizes: Sizes = {}
    write_archive(target, _checked_pictures(project_folder, project, sizes))
    return sizes


@dataclass(frozen=True)
class UsableLabels:
    """The labels that a data set consists of."""

    keypoints: list[str]
    """The keypoints of which a training frame has a label."""
    frames: list[LabelledFrame]
    """The frames with labels of these keypoints."""
    warnings: list[str]
    """A sentence for each kind of label or keypoint that was left out."""


def check_labels(project: Project, sizes: Sizes) -> UsableLabels:
    """Return the frames that have a label inside their picture, and the keypoints that are labelled at all.

    A keypoint of which no training frame has a usable label is left out: the network could not learn it.

    Raises:
        InvalidInput: no frame of the labels to train on has a usable label.
    """
    warnings: list[str] = []
    frames: list[LabelledFrame] = []
    for frame_set, table in project.labels.tables.items():
        frames += _usable_frames(table, frame_set, sizes, warnings)
    labels = project.labels.labels
    labelled = [frame for frame in frames if frame.set == "labelled"]
    if not labelled:
        raise InvalidInput(
            f"{project.uri}{labels.name}: none of its {len(labels.rows)} rows has a label inside its frame; label some "
            "frames"
        )
    kept = [k for k in range(len(labels.keypoints)) if any(frame.points[k] is not None for frame in labelled)]
    if never := [name for k, name in enumerate(labels.keypoints) if k not in kept]:
        warnings.append(f"{labels.name}: no frame has a usable label of {', '.join(never)}, so that it is not trained")
        frames = [frame for frame in (_with_keypoints(frame, kept) for frame in frames) if any(frame.points)]
    return UsableLabels([labels.keypoints[k] for k in kept], frames, warnings)


def _checked_pictures(project_folder: Store, project: Project, sizes: Sizes) -> Iterator[tuple[str, bytes]]:
    """Yield (path, file content) of every picture in the order of the paths, and add its size to ``sizes``."""

    def fetch(path: str) -> tuple[str, bytes, list[int]]:
        name = f"{project_folder.uri}{path}"
        if project.frames[path].size_bytes > MAX_FILE_BYTES:
            raise InvalidInput(f"{name} has more than {MAX_FILE_BYTES // 2**20} MiB; store smaller pictures")
        content = project_folder.read(path)
        height, width = decode_image(content, name).shape[:2]
        return path, content, [width, height]

    with ThreadPoolExecutor(_PARALLEL_DOWNLOADS, thread_name_prefix="frame") as pool:
        for batch in _batches(sorted(project.frames), 8 * _PARALLEL_DOWNLOADS):
            for path, content, size in pool.map(fetch, batch):
                sizes[path] = size
                yield path, content


def _batches(paths: Iterable[str], length: int) -> Iterator[list[str]]:
    """Yield ``length`` paths at a time, so that only their pictures are in memory at once."""
    remaining = iter(paths)
    while batch := list(islice(remaining, length)):
        yield batch


def _usable_frames(table: LabelTable, frame_set: FrameSet, sizes: Sizes, warnings: list[str]) -> list[LabelledFrame]:
    outside: list[str] = []
    unlabelled: list[str] = []
    frames: list[LabelledFrame] = []
    for row in table.rows:
        frame = _labelled_frame(row, frame_set, sizes[row.path], table.keypoints, outside) if row.is_labelled else None
        if frame is None or not any(frame.points):
            unlabelled.append(row.path)
        else:
            frames.append(frame)
    if outside:
        warnings.append(f"{table.name}: dropped {len(outside)} label(s) outside their frames: {_examples(outside)}")
    if unlabelled:
        warnings.append(
            f"{table.name}: {len(unlabelled)} of {len(table.rows)} frames have no usable label and are not used: "
            f"{_examples(unlabelled)}"
        )
    return frames


def _labelled_frame(
    row: LabelRow, frame_set: FrameSet, size: list[int], keypoints: Sequence[str], outside: list[str]
) -> LabelledFrame:
    """Return the frame without the labels outside its picture, which are described in ``outside``."""
    width, height = size
    points: list[list[float] | None] = []
    for keypoint, point in zip(keypoints, row.points, strict=True):
        inside = point is not None and -0.5 <= point[0] <= width - 0.5 and -0.5 <= point[1] <= height - 0.5
        if point is not None and not inside:
            outside.append(
                f"row {row.line} ({row.path}) {keypoint} at ({point[0]:g}, {point[1]:g}) of {width}x{height}"
            )
        points.append(list(point) if point is not None and inside else None)
    return LabelledFrame(
        path=row.path, width=width, height=height, points=points, occluded=sorted(row.occluded), set=frame_set
    )


def _with_keypoints(frame: LabelledFrame, kept: Sequence[int]) -> LabelledFrame:
    """Return the frame with the keypoints ``kept`` alone."""
    occluded = [place for place, k in enumerate(kept) if k in frame.occluded]
    return frame.model_copy(update={"points": [frame.points[k] for k in kept], "occluded": occluded})


def _examples(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN_EXAMPLES} more" if len(items) > _SHOWN_EXAMPLES else ""
    return "; ".join(items[:_SHOWN_EXAMPLES]) + more
