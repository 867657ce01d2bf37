"""The CSV files of Lightning Pose, so that what reads its results reads these.

Three header rows (scorer, bodyparts, coords); the index is a frame's path or a video frame's number.
"""

import csv
from collections.abc import Iterable, Sequence
from itertools import islice
from math import isnan
from pathlib import Path

import numpy as np

from posefleet_trainer.evaluation.results import Floats, PcaErrors, Poses

SCORER = "posefleet"
_COORDS = ("x", "y", "likelihood")
_ROWS_AT_ONCE = 4096


def write_poses(
    file: Path, keypoints: Sequence[str], index: Iterable[str | int], poses: Poses, sets: Sequence[str] | None = None
) -> None:
    """x, y (source pixels) and likelihood of each keypoint; with ``sets``, a last column that names each row's set."""
    columns = [(keypoint, coord) for keypoint in keypoints for coord in _COORDS]
    values = np.concatenate([poses.points, poses.confidence[..., None]], axis=-1).reshape(len(poses), -1)
    head = [
        ["scorer", *(SCORER for _ in columns)],
        ["bodyparts", *(keypoint for keypoint, _ in columns)],
        ["coords", *(coord for _, coord in columns)],
    ]
    if sets is not None:
        for row, word in zip(head, ("set", "", ""), strict=True):
            row.append(word)
    _write(file, head, index, values, sets)


def write_errors(
    file: Path, keypoints: Sequence[str], index: Iterable[str | int], pixels: Floats, sets: Sequence[str] | None = None
) -> None:
    """One distance in source pixels for each keypoint; one header row, as Lightning Pose's error files have."""
    head = [["", *keypoints, *(["set"] if sets is not None else [])]]
    _write(file, head, index, pixels, sets)


def write_pca_errors(
    file: Path,
    keypoints: Sequence[str],
    index: Iterable[str | int],
    errors: PcaErrors,
    sets: Sequence[str] | None = None,
) -> None:
    """``write_errors`` for the keypoints that the plane speaks of."""
    write_errors(file, [keypoints[keypoint] for keypoint in errors.keypoints], index, errors.pixels, sets)


def read_poses(file: Path, keypoints: int) -> Poses:
    """What ``write_poses`` wrote for a video, of any length.

    Raises:
        ValueError: it is something else.
    """
    with file.open(newline="", encoding="utf-8") as text:
        rows = islice(csv.reader(text), 3, None)
        parts = [np.empty((0, keypoints * len(_COORDS)), np.float32)]
        while part := [row[1:] for row in islice(rows, _ROWS_AT_ONCE)]:
            parts.append(np.array(part, dtype=np.float32))
    values = np.concatenate(parts).reshape(-1, keypoints, len(_COORDS))
    return Poses(values[..., :2].copy(), values[..., 2].copy())


def _write(
    file: Path, head: Iterable[Sequence[str]], index: Iterable[str | int], values: Floats, sets: Sequence[str] | None
) -> None:
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows(head)
        for place, (name, row) in enumerate(zip(index, values, strict=True)):
            # A keypoint without a value is empty, which pandas reads as NaN.
            cells = [name, *("" if isnan(value) else f"{value:.4f}" for value in row.tolist())]
            writer.writerow([*cells, sets[place]] if sets is not None else cells)
