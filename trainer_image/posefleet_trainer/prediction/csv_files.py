"""The CSV files of the predictions, in the format of Lightning Pose, so that its tools read them.

A file of poses has three header rows (scorer, bodyparts, coords); a file of errors has one. The first column is the
path of a labelled frame, or the number of a video frame, counted from 0.
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
_ROWS_PER_READ = 4096
#: The names of the sets in Lightning Pose's files.
_SET_WORDS: dict[SetName, str] = {
    "train": "train",
    "validation": "validation",
    "test": "test",
    "outOfDistribution": "ood",
    "heldOut": "test",
}

#: What is appended to the names of the files of frames that have labels of their own.
_SUFFIXES: dict[SetName, str] = {"outOfDistribution": "_new", "heldOut": "_test"}


def write_frame_results(output: Store, keypoints: Sequence[str], results: FrameResults, cache_directory: Path) -> None:
    """Write ``predictions.csv`` and its errors.

    Those of frames with labels of their own have ``_new`` (out of distribution) or ``_test`` (held out) in their names,
    as the labels have.

    Raises:
        StoreUnreachable: The store did not answer.
    """
    for suffix in ("", *_SUFFIXES.values()):
        rows = [row for row, name in enumerate(results.sets) if _SUFFIXES.get(name, "") == suffix]
        if rows:
            with scratch_folder(cache_directory) as folder:
                _write_frame_files(folder, f"predictions{suffix}", keypoints, results, rows)
                for file in sorted(folder.iterdir()):
                    output.upload(file, f"{PREDICTIONS_FOLDER}{file.name}", "text/csv")


def _write_frame_files(
    folder: Path, name: str, keypoints: Sequence[str], results: FrameResults, rows: Sequence[int]
) -> None:
    index = [results.frames[row].path for row in rows]
    sets = [_SET_WORDS[results.sets[row]] for row in rows]
    poses = Poses(results.poses.points[rows], results.poses.confidence[rows])
    write_poses(folder / f"{name}.csv", keypoints, index, poses, sets)
    write_errors(folder / f"{name}_pixel_error.csv", keypoints, index, results.pixel_error[rows], sets)
    for kind, errors in (("singleview", results.single_view), ("multiview", results.multi_view)):
        if errors is not None:
            chosen = replace(errors, pixels=errors.pixels[rows])
            write_pca_errors(folder / f"{name}_pca_{kind}_error.csv", keypoints, index, chosen, sets)


class VideoManifest(ApiModel):
    """Which model predicted which version of a video. It is written after the video's CSV files."""

    weights_sha256: str
    source_etag: str
    frames: int

    @classmethod
    def of(cls, weights_sha256: str, predicted: PredictedVideo) -> "VideoManifest":
        """Return the manifest of the files that these weights give for ``predicted``."""
        video = predicted.video
        return cls(weights_sha256=weights_sha256, source_etag=video.source.etag, frames=video.frames)


class VideoFiles:
    """Writes and reads the results of videos in the output folder.

    Args:
        output: The output folder.
        cache_directory: Where the files of one video at a time are written before they are uploaded.
        keypoints: The names of the keypoints.
    """

    def __init__(self, output: Store, cache_directory: Path, keypoints: Sequence[str]) -> None:
        self._output = output
        self._cache_directory = cache_directory
        self._keypoints = keypoints

    def are_complete(self, weights_sha256: str, predicted: PredictedVideo) -> bool:
        """Return whether this version of the video has been predicted with the same weights before."""
        manifest = read_record(self._output, _key(predicted, ".json"), VideoManifest)
        expected = VideoManifest.of(weights_sha256, predicted)
        return manifest == expected and self._output.find(_key(predicted, ".csv")) is not None

    def write(self, weights_sha256: str, predicted: PredictedVideo, results: VideoResults) -> None:
        """Write the CSV files, then the manifest.

        Raises:
            StoreUnreachable: The store did not answer.
        """
        keypoints, frames = self._keypoints, range(len(results.poses))
        with scratch_folder(self._cache_directory) as folder:
            write_poses(folder / ".csv", keypoints, frames, results.poses)
            write_errors(folder / "_temporal_norm.csv", keypoints, frames, results.temporal_norm)
            for kind, errors in (("singleview", results.single_view), ("multiview", results.multi_view)):
                if errors is not None:
                    write_pca_errors(folder / f"_pca_{kind}_error.csv", keypoints, frames, errors)
            for file in sorted(folder.iterdir()):
                self._output.upload(file, _key(predicted, file.name), "text/csv")
        write_record(self._output, _key(predicted, ".json"), VideoManifest.of(weights_sha256, predicted))

    def read_poses(self, predicted: PredictedVideo) -> Poses:
        """Read the poses that ``write`` wrote, rounded to the four decimals of the file.

        Raises:
            InvalidInput: The file is missing, or somebody changed it.
            StoreUnreachable: The store did not answer.
        """
        key = _key(predicted, ".csv")
        with scratch_folder(self._cache_directory) as folder:
            file = folder / "poses.csv"
            stored = self._output.find(key)
            try:
                if stored is None:
                    raise ValueError("there is no such object")
                self._output.download(stored, file)
                poses = read_poses(file, len(self._keypoints))
                if len(poses) != predicted.video.frames:
                    raise ValueError(f"it has {len(poses)} frames, the video {predicted.video.frames}")
            except ValueError as error:
                raise InvalidInput(
                    f"{self._output.uri}{key} is missing or was changed after it was written ({error}); delete it and "
                    "apply the job again"
                ) from error
        return poses


def _key(predicted: PredictedVideo, suffix: str) -> str:
    return f"{VIDEO_PREDICTIONS_FOLDER}{predicted.name}{suffix}"


def write_poses(
    file: Path, keypoints: Sequence[str], index: Iterable[str | int], poses: Poses, sets: Sequence[str] | None = None
) -> None:
    """Write x, y (source pixels) and likelihood of each keypoint, one row for each frame.

    Args:
        file: The CSV file.
        keypoints: The names of the keypoints.
        index: The first cell of each row.
        poses: The poses, one for each row.
        sets: The last cell of each row, the name of the frame's set; without it there is no such column.
    """
    columns = [(keypoint, coord) for keypoint in keypoints for coord in _COORDS]
    values = np.concatenate([poses.points, poses.confidence[..., None]], axis=-1).reshape(len(poses), -1)
    header = [
        ["scorer", *(SCORER for _ in columns)],
        ["bodyparts", *(keypoint for keypoint, _ in columns)],
        ["coords", *(coord for _, coord in columns)],
    ]
    if sets is not None:
        for row, word in zip(header, ("set", "", ""), strict=True):
            row.append(word)
    _write_rows(file, header, index, values, sets)


def write_errors(
    file: Path, keypoints: Sequence[str], index: Iterable[str | int], pixels: Floats, sets: Sequence[str] | None = None
) -> None:
    """Write distances (frame, keypoint) in source pixels; the other arguments are those of ``write_poses``."""
    header = [["", *keypoints, *(["set"] if sets is not None else [])]]
    _write_rows(file, header, index, pixels, sets)


def write_pca_errors(
    file: Path,
    keypoints: Sequence[str],
    index: Iterable[str | int],
    errors: PcaErrors,
    sets: Sequence[str] | None = None,
) -> None:
    """Write PCA errors, with columns for the keypoints that the subspace covers."""
    write_errors(file, [keypoints[keypoint] for keypoint in errors.keypoints], index, errors.pixels, sets)


def read_poses(file: Path, keypoints: int) -> Poses:
    """Read what ``write_poses`` wrote without sets. The file of a long video is parsed a few thousand rows at a time.

    Raises:
        ValueError: The file has other columns, or cells that are not numbers.
    """
    with file.open(newline="", encoding="utf-8") as text:
        rows = islice(csv.reader(text), 3, None)
        parts = [np.empty((0, keypoints * len(_COORDS)), np.float32)]
        while part := [row[1:] for row in islice(rows, _ROWS_PER_READ)]:
            parts.append(np.array(part, dtype=np.float32))
    values = np.concatenate(parts).reshape(-1, keypoints, len(_COORDS))
    return Poses(values[..., :2].copy(), values[..., 2].copy())


def _write_rows(
    file: Path, header: Iterable[Sequence[str]], index: Iterable[str | int], values: Floats, sets: Sequence[str] | None
) -> None:
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows(header)
        for place, (name, row) in enumerate(zip(index, values, strict=True)):
            # An empty cell is what pandas reads as NaN.
            cells = [name, *("" if isnan(value) else f"{value:.4f}" for value in row.tolist())]
            writer.writerow([*cells, sets[place]] if sets is not None else cells)
