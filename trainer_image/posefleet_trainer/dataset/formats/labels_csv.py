"""The parser of a labels file as Lightning Pose and DeepLabCut write it.

The file is a CSV with the header rows scorer, bodyparts and coords, and then one row for each frame: the path of its
picture (in one column, or in three that DeepLabCut writes), and for each keypoint x, y and, in some files of Lightning
Pose, whether it is visible.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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

#: The columns of a keypoint, without and with Lightning Pose's visibility.
_AXES = (("x", "y"), ("x", "y", "visible"))
_VISIBLE_REMEDY = "write 0 (not labelled), 1 (occluded) or 2 (visible)"

Line = tuple[int, list[str]]
"""The number of a row in the file, from 1, and its cells."""


@dataclass(frozen=True)
class _Header:
    """The header of a file."""

    name: str
    """The file, for messages."""
    keypoints: tuple[str, ...]
    axes: tuple[str, ...]
    """The columns of each keypoint."""
    first: int
    """The number of the first column with coordinates."""

    @property
    def columns(self) -> int:
        """The number of columns of the file."""
        return self.first + len(self.axes) * len(self.keypoints)


def parse_labels_csv(content: bytes, name: str) -> LabelTable:
    """Return the labels in ``content``, the bytes of the file ``name``.

    Columns are separated by ``,`` or, as spreadsheets of some languages write them, by ``;``. In the latter case
    numbers may have a decimal comma.

    Raises:
        InvalidInput: the message names the file, the row (counted from 1, as editors do), the column and the remedy.
    """
    text = _text(content, name)
    delimiter = _delimiter(text)
    lines = list(_lines(text, delimiter, name))
    if not lines:
        raise InvalidInput(f"{name} is empty; {_HEADER_REMEDY}")
    header = _header(lines, name)
    if delimiter == ";":
        lines[3:] = [(number, _with_decimal_points(cells, header.first)) for number, cells in lines[3:]]
    rows, ignored = [], 0
    for line in lines[3:]:
        row, without_place = _row(line, header)
        rows.append(row)
        ignored += without_place
    refuse_duplicates(rows)
    warnings = [f"{name}: {ignored} keypoint(s) are marked as occluded and have x and y, which are not used"]
    return LabelTable(name, header.keypoints, tuple(rows), tuple(warnings if ignored else ()))


def refuse_duplicates(rows: Sequence[LabelRow]) -> None:
    """Check that no two rows, of one file or of several, are about the same picture.

    Raises:
        InvalidInput: two are; the message names both.
    """
    seen: dict[str, LabelRow] = {}
    for row in rows:
        other = seen.setdefault(row.path, row)
        if other is row:
            continue
        if other.file == row.file:
            both = f"{row.file} rows {other.line} and {row.line}"
        else:
            both = f"{other.file} row {other.line} and {row.file} row {row.line}"
        raise InvalidInput(f"{both} both label {row.path}; remove one of them")


def _text(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise InvalidInput(f"{name} has more than {MAX_BYTES // 2**20} MiB; is it the right file?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{name} is not UTF-8 text; save it as CSV (UTF-8)") from None


def _delimiter(text: str) -> str:
    """Return the character that separates the columns, judging by the first row."""
    start = text.lstrip().strip('"').lower()
    return ";" if start[len(HEADERS[0]) :].lstrip('" \t').startswith(";") and start.startswith(HEADERS[0]) else ","


def _with_decimal_points(cells: list[str], first: int) -> list[str]:
    """Return the row with ``1.5`` for ``1,5``."""
    return cells[:first] + [cell.replace(",", ".") if cell.count(",") == 1 else cell for cell in cells[first:]]


def _lines(text: str, delimiter: str, name: str) -> Iterator[Line]:
    """Yield the rows that are not blank, with white space around cells removed."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for count, cells in enumerate(reader):
            if count > MAX_ROWS:
                raise InvalidInput(f"{name} has more than {MAX_ROWS:,} rows; is it the right file?")
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error as error:
        raise InvalidInput(f"{name} row {reader.line_num} is not CSV ({error}); save the file as CSV again") from None


def _header(lines: Sequence[Line], name: str) -> _Header:
    for (number, cells), expected in zip(lines, HEADERS, strict=False):
        if cells[0].lower() == "individuals":
            raise InvalidInput(f"{name} row {number} names individuals; only one animal a frame can be trained")
        if cells[0].lower() != expected:
            raise InvalidInput(f"{name} row {number} begins with {_quoted(cells[0])}, not {expected}; {_HEADER_REMEDY}")
    if len(lines) < len(HEADERS):
        raise InvalidInput(f"{name} has no {HEADERS[len(lines)]} row; {_HEADER_REMEDY}")
    # DeepLabCut may spread a frame's path over three columns.
    first = 3 if lines[0][1][1:3] == ["", ""] else 1
    bodyparts, coords = lines[1][1][first:], [cell.lower() for cell in lines[2][1][first:]]
    axes = _AXES["visible" in coords]
    return _Header(name, _keypoints(bodyparts, coords, axes, first, name), axes, first)


def _keypoints(
    bodyparts: Sequence[str], coords: Sequence[str], axes: tuple[str, ...], first: int, name: str
) -> tuple[str, ...]:
    width = len(axes)
    if len(bodyparts) != len(coords) or not bodyparts or len(bodyparts) % width:
        raise InvalidInput(
            f"{name} has {len(bodyparts)} bodyparts and {len(coords)} coords columns; there must be the same number "
            f"of both, {('two', 'three')[width - 2]} ({', '.join(axes)}) a keypoint"
        )
    for column in range(0, len(bodyparts), width):
        names, found = bodyparts[column : column + width], tuple(coords[column : column + width])
        if found != axes or len(set(names)) > 1:
            cells = [f"{_quoted(part)} {_quoted(axis)}" for part, axis in zip(names, found, strict=True)]
            raise InvalidInput(
                f"{name} columns {first + column + 1} to {first + column + width} are {', '.join(cells)}; "
                f"every keypoint needs the columns {', '.join(axes)} in this order"
            )
    return _checked_names(tuple(bodyparts[::width]), name)


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


def _row(line: Line, header: _Header) -> tuple[LabelRow, int]:
    """Return a row, and how many of its keypoints are marked as occluded and have a place all the same."""
    number, cells = line
    where = f"{header.name} row {number}"
    if len(cells) != header.columns:
        raise InvalidInput(f"{where} has {len(cells)} columns, the header has {header.columns}; add or remove cells")
    path = "/".join(cells[: header.first]).replace("\\", "/")
    if not is_safe_key(path):
        raise InvalidInput(
            f"{where}: {_quoted(path)} is not a path inside the project folder; write it as "
            "labeled-data/VIDEO/IMAGE.png"
        )
    width, where = len(header.axes), f"{where} ({path})"
    points: list[tuple[float, float] | None] = []
    occluded, ignored = set(), 0
    for k, label in enumerate(header.keypoints):
        x, y, *visible = cells[header.first + k * width : header.first + (k + 1) * width]
        point = _point(
            _number(x, f"{where}, column {label}.x"),
            _number(y, f"{where}, column {label}.y"),
            f"{where}, keypoint {label}",
        )
        flag = _visibility(visible[0], point is not None, f"{where}, keypoint {label}") if visible else None
        if flag == 1:
            occluded.add(k)
            ignored += point is not None
        points.append(None if flag in {0, 1} else point)
    return LabelRow(header.name, number, path, tuple(points), frozenset(occluded)), ignored


def _visibility(cell: str, has_place: bool, where: str) -> int | None:
    """Return Lightning Pose's flag: 0 not labelled, 1 occluded, 2 visible; None where the cell is empty."""
    if cell.lower() in _UNLABELLED:
        return None
    flag = {"0": 0, "0.0": 0, "1": 1, "1.0": 1, "2": 2, "2.0": 2}.get(cell)
    if flag is None:
        raise InvalidInput(f"{where}: {_quoted(cell)} is not a visibility; {_VISIBLE_REMEDY}")
    if flag == 2 and not has_place:
        raise InvalidInput(f"{where} is marked as visible and has no x and y; fill them in, or {_VISIBLE_REMEDY}")
    return flag


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


def _quoted(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:40] + "…")
