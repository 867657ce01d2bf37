"""Labelled frames as pictures: decoded within bounds, for they come from outside."""

import io
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Header

from posefleet_trainer.dataset.formats.labels import LabelRow, LabelTable
from posefleet_trainer.dataset.prepared import FrameSet, LabelledFrame
from posefleet_trainer.dataset.project import Project, is_labelled
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store
from posefleet_trainer.telemetry.metrics import DECODED_FRAMES
from posefleet_trainer.video.decode import Image

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 2**26


def decode_image(content: bytes, name: str) -> Image:
    """The picture as (height, width, 3) uint8 RGB, as it was stored (no rotation by EXIF).

    Raises:
        InvalidInput: no picture, damaged, or too large; names it.
    """
    _check_header(content, name)
    encoded = np.frombuffer(content, dtype=np.uint8)
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if decoded is None:
        raise InvalidInput(f"{name} is a damaged picture; replace it or remove its row")
    DECODED_FRAMES.inc()
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _check_header(content: bytes, name: str) -> None:
    """Refuse by the header alone what would take too much memory to decode."""
    if len(content) > MAX_FILE_BYTES:
        raise InvalidInput(f"{name} has more than {MAX_FILE_BYTES // 2**20} MiB; store smaller pictures")
    try:
        with Header.open(io.BytesIO(content)) as header:
            width, height = header.size
    except Header.DecompressionBombError:
        width = height = MAX_PIXELS
    except Exception as error:
        raise InvalidInput(f"{name} is no picture that can be read; replace it or remove its row") from error
    if width * height > MAX_PIXELS:
        raise InvalidInput(f"{name} has more than {MAX_PIXELS:,} pixels; store smaller pictures")


def write_archive(target: Path, pictures: Iterable[tuple[str, bytes]]) -> None:
    """A tar of (path, content) pairs; the same pairs give the same bytes."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in pictures:
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


class FrameArchive:
    """Reads single frames of an archive; safe to use from several threads, and across a fork."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        with tarfile.open(path) as archive:
            self._places = {member.name: (member.offset_data, member.size) for member in archive if member.isreg()}

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def encoded(self, path: str) -> bytes:
        """The picture as it was stored.

        Raises:
            InvalidInput: no such frame.
        """
        if path not in self._places:
            raise InvalidInput(f"{path} is not among the prepared frames; apply the job again to prepare them anew")
        offset, size = self._places[path]
        return os.pread(self._file.fileno(), size, offset)

    def image(self, path: str) -> Image:
        """The picture as (height, width, 3) uint8 RGB."""
        return decode_image(self.encoded(path), path)


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


def checked_frames(project: Project, sizes: Sizes) -> tuple[list[LabelledFrame], list[str]]:
    """The frames that have a label within them, and a sentence for each kind of thing that was dropped.

    Raises:
        InvalidInput: no frame of the labels file has a usable label.
    """
    warnings: list[str] = []
    frames: list[LabelledFrame] = []
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


def _usable(table: LabelTable, kind: FrameSet, sizes: Sizes, warnings: list[str]) -> list[LabelledFrame]:
    outside: list[str] = []
    unlabelled: list[str] = []
    frames: list[LabelledFrame] = []
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


def _frame(
    row: LabelRow, kind: FrameSet, size: list[int], keypoints: Sequence[str], outside: list[str]
) -> LabelledFrame:
    width, height = size
    points: list[list[float] | None] = []
    for keypoint, point in zip(keypoints, row.points, strict=True):
        inside = point is not None and -0.5 <= point[0] <= width - 0.5 and -0.5 <= point[1] <= height - 0.5
        if point is not None and not inside:
            outside.append(
                f"row {row.line} ({row.path}) {keypoint} at ({point[0]:g}, {point[1]:g}) of {width}x{height}"
            )
        points.append(list(point) if point is not None and inside else None)
    return LabelledFrame(path=row.path, width=width, height=height, points=points, set=kind)


def _never_labelled(table: LabelTable, frames: Sequence[LabelledFrame]) -> list[str]:
    never = [name for k, name in enumerate(table.keypoints) if all(frame.points[k] is None for frame in frames)]
    return [f"{table.name}: no frame has a usable label of {', '.join(never)}"] if never else []


def _some(items: Sequence[str]) -> str:
    rest = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return "; ".join(items[:_SHOWN]) + rest
