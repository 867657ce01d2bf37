"""The CSV files of Lightning Pose, so that what reads its results reads these.

Three header rows (scorer, bodyparts, coords); the index is a frame's path or a video frame's number.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from posefleet_trainer.evaluation.results import Floats, PcaErrors, Poses

SCORER = "posefleet"
_COORDS = ("x", "y", "likelihood")
_ROWS_AT_ONCE = 4096


def poses_csv(
    keypoints: Sequence[str], index: Iterable[str | int], poses: Poses, sets: Sequence[str] | None = None
) -> bytes:
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
    return _csv(head, index, values, sets)


def errors_csv(
    keypoints: Sequence[str], index: Iterable[str | int], pixels: Floats, sets: Sequence[str] | None
) -> bytes:
    """One distance in source pixels for each keypoint; one header row, as Lightning Pose's error files have."""
    head = [["", *keypoints, *(["set"] if sets is not None else [])]]
    return _csv(head, index, pixels, sets)


def pca_errors_csv(
    keypoints: Sequence[str], index: Iterable[str | int], errors: PcaErrors, sets: Sequence[str] | None = None
) -> bytes:
    """``errors_csv`` for the keypoints that the plane speaks of."""
    return errors_csv([keypoints[keypoint] for keypoint in errors.keypoints], index, errors.pixels, sets)


def read_poses(file: Path, keypoints: int) -> Poses:
    """What ``poses_csv`` wrote for a video, of any length.

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


def _csv(
    head: Iterable[Sequence[str]], index: Iterable[str | int], values: Floats, sets: Sequence[str] | None
) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(head)
    for place, (name, row) in enumerate(zip(index, values, strict=True)):
        # A keypoint without a value is empty, which pandas reads as NaN.
        cells: list[str | int] = [name, *("" if np.isnan(value) else f"{value:.4f}" for value in row)]
        writer.writerow([*cells, sets[place]] if sets is not None else cells)
    return text.getvalue().encode()
