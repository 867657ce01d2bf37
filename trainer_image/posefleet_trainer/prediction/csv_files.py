"""The CSV files of Lightning Pose, so that what reads its results reads these.

Three header rows (scorer, bodyparts, coords); the index is a frame's path or a video frame's number.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from math import isnan
from pathlib import Path

import numpy as np

from posefleet_api.base import ApiModel
from posefleet_trainer.dataset.split import SetName
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.output_folder import PREDICTIONS_FOLDER, VIDEO_PREDICTIONS_FOLDER
from posefleet_trainer.prediction.results import (
    Floats,
    FrameResults,
    PcaErrors,
    Poses,
    PredictedVideo,
    VideoResults,
)
from posefleet_trainer.preparation.records import read_record, write_record
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.files import scratch_folder

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


class VideoManifest(ApiModel):
    """Written after a video's files: which model predicted which content."""

    weights_sha256: str
    source_etag: str
    frames: int

    @classmethod
    def of(cls, weights_sha256: str, predicted: PredictedVideo) -> "VideoManifest":
        """What it must say if the files of ``predicted`` are of these weights."""
        video = predicted.video
        return cls(weights_sha256=weights_sha256, source_etag=video.source.etag, frames=video.frames)


class VideoFiles:
    """Writes and reads them, through a scratch file of one video at a time under ``cache_directory``."""

    def __init__(self, output: Store, cache_directory: Path, keypoints: Sequence[str]) -> None:
        self._output = output
        self._cache_directory = cache_directory
        self._keypoints = keypoints

    def are_whole(self, weights_sha256: str, predicted: PredictedVideo) -> bool:
        """Whether an earlier attempt has predicted this video with the same weights."""
        manifest = read_record(self._output, _key(predicted, ".json"), VideoManifest)
        whole = manifest == VideoManifest.of(weights_sha256, predicted)
        return whole and self._output.find(_key(predicted, ".csv")) is not None

    def write(self, weights_sha256: str, predicted: PredictedVideo, results: VideoResults) -> None:
        """The CSV files, then the manifest."""
        keypoints, frames = self._keypoints, range(len(results.poses))
        planes = (("singleview", results.single_view), ("multiview", results.multi_view))
        with scratch_folder(self._cache_directory) as folder:
            write_poses(folder / ".csv", keypoints, frames, results.poses)
            write_errors(folder / "_temporal_norm.csv", keypoints, frames, results.temporal_norm)
            for kind, errors in planes:
                if errors is not None:
                    write_pca_errors(folder / f"_pca_{kind}_error.csv", keypoints, frames, errors)
            for file in sorted(folder.iterdir()):
                self._output.upload(file, _key(predicted, file.name), "text/csv")
        write_record(self._output, _key(predicted, ".json"), VideoManifest.of(weights_sha256, predicted))

    def poses(self, predicted: PredictedVideo) -> Poses:
        """What ``write`` wrote, rounded as the file has it.

        Raises:
            InvalidInput: the file is gone, or somebody changed it.
        """
        key = _key(predicted, ".csv")
        with scratch_folder(self._cache_directory) as folder:
            file = folder / "poses.csv"
            stored = self._output.find(key)
            try:
                if stored is None:
                    raise ValueError("no such object")
                self._output.download(stored, file)
                poses = read_poses(file, len(self._keypoints))
                if len(poses) != predicted.video.frames:
                    raise ValueError(f"{len(poses)} frames")
            except ValueError as error:
                raise InvalidInput(
                    f"{self._output.uri}{key} is not what was predicted ({error}); delete it and apply the job again"
                ) from error
        return poses


def _key(predicted: PredictedVideo, suffix: str) -> str:
    return f"{VIDEO_PREDICTIONS_FOLDER}{predicted.name}{suffix}"


#: Lightning Pose's words for the sets.
_SET_WORDS: dict[SetName, str] = {
    "train": "train",
    "validation": "validation",
    "test": "test",
    "outOfDistribution": "ood",
}


def write_frame_results(output: Store, keypoints: Sequence[str], results: FrameResults, directory: Path) -> None:
    """``predictions.csv`` and its errors, and the same with ``_new`` for the out-of-distribution frames."""
    for suffix, wanted in (("", False), ("_new", True)):
        rows = [row for row, name in enumerate(results.sets) if (name == "outOfDistribution") == wanted]
        if rows:
            with scratch_folder(directory) as folder:
                _write_files(folder, f"predictions{suffix}", keypoints, results, rows)
                for file in sorted(folder.iterdir()):
                    output.upload(file, f"{PREDICTIONS_FOLDER}{file.name}", "text/csv")


def _write_files(folder: Path, name: str, keypoints: Sequence[str], results: FrameResults, rows: Sequence[int]) -> None:
    index = [results.frames[row].path for row in rows]
    sets = [_SET_WORDS[results.sets[row]] for row in rows]
    poses = Poses(results.poses.points[rows], results.poses.confidence[rows])
    write_poses(folder / f"{name}.csv", keypoints, index, poses, sets)
    write_errors(folder / f"{name}_pixel_error.csv", keypoints, index, results.pixel_error[rows], sets)
    for kind, errors in (("singleview", results.single_view), ("multiview", results.multi_view)):
        if errors is not None:
            chosen = replace(errors, pixels=errors.pixels[rows])
            write_pca_errors(folder / f"{name}_pca_{kind}_error.csv", keypoints, index, chosen, sets)
