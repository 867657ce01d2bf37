"""The reader of labels as Lightning Pose and DeepLabCut write them.

The file is a CSV with the header rows scorer, bodyparts and coords, and then one row for each frame: the path of its
picture (in one column, or in three that DeepLabCut writes), and x and y for each keypoint.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence

from posefleet_trainer.dataset.formats.labels import LabelRow, LabelTable
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import is_safe_key

# Limits that no real labels file comes near; they bound the memory that a wrong file can take.
MAX_BYTES = 64 * 2**20
MAX_ROWS = 500_000
MAX_KEYPOINTS = 512
MAX_NAME_LENGTH = 128
HEADERS = ("scorer", "bodyparts", "coords")

_HEADER_REMEDY = (
    "the first three rows must begin with scorer, bodyparts and coords, as Lightning Pose and DeepLabCut write them"
)
_UNLABELLED = frozenset({"", "nan", "na", "none", "null"})

Line = tuple[int, list[str]]
"""The number of a row in the file, from 1, and its cells."""


def parse_lightning_pose(content: bytes, name: str) -> LabelTable:
    """Return the labels in ``content``, the bytes of the file ``name``.

    Raises:
        InvalidInput: the message names the file, the row (counted from 1, as editors do), the column and the remedy.
    """
    lines = list(_lines(_text(content, name), name))
    if not lines:
        raise InvalidInput(f"{name} is empty; {_HEADER_REMEDY}")
    keypoints, first = _header(lines, name)
    rows = [_row(line, keypoints, first, name) for line in lines[3:]]
    _refuse_duplicates(rows, name)
    return LabelTable(name, keypoints, tuple(rows))


def _text(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise InvalidInput(f"{name} has more than {MAX_BYTES // 2**20} MiB; is it the right file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{name} is not UTF-8 text; save it as CSV (UTF-8)") from None


def _lines(text: str, name: str) -> Iterator[Line]:
    """Yield the rows that are not blank, with white space around cells removed."""
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for count, cells in enumerate(reader):
            if count > MAX_ROWS:
                raise InvalidInput(f"{name} has more than {MAX_ROWS:,} rows; is it the right file?")
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error as error:
        raise InvalidInput(f"{name} row {reader.line_num} is not CSV ({error}); save the file as CSV again") from None


def _header(lines: Sequence[Line], name: str) -> tuple[tuple[str, ...], int]:
    """Return the names of the keypoints, and the number of the first column with coordinates."""
    for (number, cells), expected in zip(lines, HEADERS, strict=False):
        if cells[0].lower().startswith(expected + ";"):
            raise InvalidInput(f"{name} separates its columns by ';'; save it with ','")
        if cells[0].lower() == "individuals":
            raise InvalidInput(f"{name} row {number} names individuals; only one animal a frame can be trained")
        if cells[0].lower() != expected:
            raise InvalidInput(f"{name} row {number} begins with {_quoted(cells[0])}, not {expected}; {_HEADER_REMEDY}")
    if len(lines) < len(HEADERS):
        raise InvalidInput(f"{name} has no {HEADERS[len(lines)]} row; {_HEADER_REMEDY}")
    # DeepLabCut may spread a frame's path over three columns.
    first = 3 if lines[0][1][1:3] == ["", ""] else 1
    return _keypoints(lines[1], lines[2], first, name), first


def _keypoints(bodyparts: Line, coords: Line, first: int, name: str) -> tuple[str, ...]:
    names, axes = bodyparts[1][first:], coords[1][first:]
    if len(names) != len(axes) or not names or len(names) % 2:
        raise InvalidInput(
            f"{name} has {len(names)} bodyparts and {len(axes)} coords columns; "
            "there must be the same number of both, two (x, y) a keypoint"
        )
    for column in range(0, len(names), 2):
        if (axes[column].lower(), axes[column + 1].lower()) != ("x", "y") or names[column] != names[column + 1]:
            raise InvalidInput(
                f"{name} columns {first + column + 1} and {first + column + 2} are "
                f"{_quoted(names[column])} {_quoted(axes[column])} and {_quoted(names[column + 1])} "
                f"{_quoted(axes[column + 1])}; every keypoint needs one x and then one y column"
            )
    return _checked_names(tuple(names[::2]), name)


def _checked_names(keypoints: tuple[str, ...], name: str) -> tuple[str, ...]:
    if len(keypoints) > MAX_KEYPOINTS:
        raise InvalidInput(f"{name} has {len(keypoints)} keypoints; at most {MAX_KEYPOINTS} can be trained")
    for keypoint in keypoints:
        if not keypoint or len(keypoint) > MAX_NAME_LENGTH or not keypoint.isprintable():
            raise InvalidInput(
                f"{name} row 2 has the keypoint name {_quoted(keypoint)}; "
                f"give it 1 to {MAX_NAME_LENGTH} printable characters"
            )
        if keypoints.count(keypoint) > 1:
            raise InvalidInput(f"{name} row 2 names {_quoted(keypoint)} twice; each keypoint needs a name of its own")
    return keypoints


def _row(line: Line, keypoints: tuple[str, ...], first: int, name: str) -> LabelRow:
    number, cells = line
    expected = first + 2 * len(keypoints)
    if len(cells) != expected:
        raise InvalidInput(
            f"{name} row {number} has {len(cells)} columns, the header has {expected}; add or remove cells"
        )
    path = "/".join(cells[:first]).replace("\\", "/")
    if not is_safe_key(path):
        raise InvalidInput(
            f"{name} row {number}: {_quoted(path)} is not a path inside the project folder; "
            "write it as labeled-data/VIDEO/IMAGE.png"
        )
    values = [
        _number(cell, f"{name} row {number} ({path}), column {keypoints[place // 2]}.{'xy'[place % 2]}")
        for place, cell in enumerate(cells[first:])
    ]
    where = f"{name} row {number} ({path})"
    points = tuple(
        _point(values[2 * k], values[2 * k + 1], f"{where}, keypoint {label}") for k, label in enumerate(keypoints)
    )
    return LabelRow(number, path, points)


def _number(cell: str, where: str) -> float | None:
    if cell.lower() in _UNLABELLED:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in cell:
        raise InvalidInput(f"{where}: {_quoted(cell)} is not a number; write pixels, or leave it empty if unlabelled")
    return value


def _point(x: float | None, y: float | None, where: str) -> tuple[float, float] | None:
    if x is None and y is None:
        return None
    if x is None or y is None:
        raise InvalidInput(f"{where} has {'y but no x' if x is None else 'x but no y'}; fill in both or neither")
    return x, y


def _refuse_duplicates(rows: Sequence[LabelRow], name: str) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        if row.path in seen:
            raise InvalidInput(f"{name} rows {seen[row.path]} and {row.line} both label {row.path}; remove one of them")
        seen[row.path] = row.line


def _quoted(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:40] + "…")
