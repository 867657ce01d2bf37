"""Preparing labelled frames: their pictures are downloaded and decoded, their labels checked against the pictures."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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


def check_labels(project: Project, sizes: Sizes) -> tuple[list[LabelledFrame], list[str]]:
    """Return the frames that have a label inside their picture, and a warning for each kind of label left out.

    Raises:
        InvalidInput: no frame of the in-distribution labels file has a usable label.
    """
    warnings: list[str] = []
    frames: list[LabelledFrame] = []
    sets: tuple[FrameSet, ...] = ("labelled", "outOfDistribution")
    for table, frame_set in zip(project.tables, sets, strict=False):
        frames += _usable_frames(table, frame_set, sizes, warnings)
    labelled = [frame for frame in frames if frame.set == "labelled"]
    if not labelled:
        raise InvalidInput(
            f"{project.uri}{project.labels.name}: none of its {len(project.labels.rows)} rows has a label inside its "
            "frame; label some frames"
        )
    warnings += _never_labelled(project.labels, labelled)
    return frames, warnings


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
    return LabelledFrame(path=row.path, width=width, height=height, points=points, set=frame_set)


def _never_labelled(table: LabelTable, frames: Sequence[LabelledFrame]) -> list[str]:
    never = [name for k, name in enumerate(table.keypoints) if all(frame.points[k] is None for frame in frames)]
    return [f"{table.name}: no frame has a usable label of {', '.join(never)}"] if never else []


def _examples(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN_EXAMPLES} more" if len(items) > _SHOWN_EXAMPLES else ""
    return "; ".join(items[:_SHOWN_EXAMPLES]) + more
