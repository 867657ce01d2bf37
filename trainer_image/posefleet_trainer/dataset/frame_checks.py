"""Labels against their pictures: what cannot be used is dropped, counted and told."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from posefleet_trainer.dataset.frames import write_archive
from posefleet_trainer.dataset.images import MAX_FILE_BYTES, decode_image
from posefleet_trainer.dataset.labels import LabelRow, LabelTable
from posefleet_trainer.dataset.prepared import Frame, FrameSet
from posefleet_trainer.dataset.project import Project, is_labelled
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store

_PARALLEL = 8
_SHOWN = 3

Sizes = dict[str, list[int]]
"""[width, height] of each picture, by its path."""


def archive_frames(store: Store, project: Project, target: Path) -> Sizes:
    """Download every labelled picture, check that it can be decoded, and put all into one archive.

    Raises:
        InvalidInput: a picture is missing, damaged or too large; names it.
    """
    sizes: Sizes = {}
    write_archive(target, _checked_pictures(store, project, sizes))
    return sizes


def _checked_pictures(store: Store, project: Project, sizes: Sizes) -> Iterator[tuple[str, bytes]]:
    def fetch(path: str) -> tuple[str, bytes, list[int]]:
        if project.frames[path].size_bytes > MAX_FILE_BYTES:
            raise InvalidInput(f"{store.uri}{path} has more than {MAX_FILE_BYTES // 2**20} MiB; store smaller pictures")
        content = store.read(path)
        height, width = decode_image(content, f"{store.uri}{path}").shape[:2]
        return path, content, [width, height]

    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="frame") as pool:
        for batch in _batches(sorted(project.frames), 8 * _PARALLEL):
            for path, content, size in pool.map(fetch, batch):
                sizes[path] = size
                yield path, content


def _batches(paths: Iterable[str], length: int) -> Iterator[list[str]]:
    """A few at a time, so that not all pictures are in memory at once."""
    remaining = iter(paths)
    while batch := list(islice(remaining, length)):
        yield batch


def checked_frames(project: Project, sizes: Sizes) -> tuple[list[Frame], list[str]]:
    """The frames that have a label within them, and a sentence for each kind of thing that was dropped.

    Raises:
        InvalidInput: no frame of the labels file has a usable label.
    """
    warnings: list[str] = []
    frames: list[Frame] = []
    kinds: list[FrameSet] = ["labelled", "outOfDistribution"]
    for table, kind in zip(project.tables, kinds, strict=False):
        frames += _usable(table, kind, sizes, warnings)
    labelled = [frame for frame in frames if frame.set == "labelled"]
    if not labelled:
        raise InvalidInput(
            f"{project.uri}{project.labels.name}: none of its {len(project.labels.rows)} rows has a label inside its "
            "frame; label some frames"
        )
    warnings += _never_labelled(project.labels, labelled)
    return frames, warnings


def _usable(table: LabelTable, kind: FrameSet, sizes: Sizes, warnings: list[str]) -> list[Frame]:
    outside: list[str] = []
    unlabelled: list[str] = []
    frames: list[Frame] = []
    for row in table.rows:
        frame = _frame(row, kind, sizes[row.path], table.keypoints, outside) if is_labelled(row) else None
        if frame is None or not any(frame.points):
            unlabelled.append(row.path)
        else:
            frames.append(frame)
    if outside:
        warnings.append(f"{table.name}: dropped {len(outside)} label(s) outside their frames: {_some(outside)}")
    if unlabelled:
        warnings.append(
            f"{table.name}: {len(unlabelled)} of {len(table.rows)} frames have no usable label and are not used: "
            f"{_some(unlabelled)}"
        )
    return frames


def _frame(row: LabelRow, kind: FrameSet, size: list[int], keypoints: Sequence[str], outside: list[str]) -> Frame:
    width, height = size
    points: list[list[float] | None] = []
    for keypoint, point in zip(keypoints, row.points, strict=True):
        inside = point is not None and -0.5 <= point[0] <= width - 0.5 and -0.5 <= point[1] <= height - 0.5
        if point is not None and not inside:
            outside.append(
                f"row {row.line} ({row.path}) {keypoint} at ({point[0]:g}, {point[1]:g}) of {width}x{height}"
            )
        points.append(list(point) if point is not None and inside else None)
    return Frame(path=row.path, width=width, height=height, points=points, set=kind)


def _never_labelled(table: LabelTable, frames: Sequence[Frame]) -> list[str]:
    never = [name for k, name in enumerate(table.keypoints) if all(frame.points[k] is None for frame in frames)]
    return [f"{table.name}: no frame has a usable label of {', '.join(never)}"] if never else []


def _some(items: Sequence[str]) -> str:
    rest = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return "; ".join(items[:_SHOWN]) + rest
