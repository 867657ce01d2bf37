"""Downloads the results of a job, and measures predictions against the true poses of a synthetic project."""

import csv
import math
import statistics
from collections.abc import Iterator
from pathlib import Path

from minio import Minio


def download_results(client: Minio, bucket: str, prefix: str, target: Path) -> int:
    """Download every object under ``prefix`` except checkpoints into ``target``, and return their number."""
    count = 0
    for found in client.list_objects(bucket, prefix=prefix, recursive=True):
        key = str(found.object_name).removeprefix(prefix)
        if not key.startswith("checkpoints/"):
            client.fget_object(bucket, str(found.object_name), str(target / key))
            count += 1
    return count


def truth_errors(truths: Path, results: Path) -> dict[str, float]:
    """Return the median error in pixels for each video of a synthetic project that has predictions, by its name."""
    predictions = {
        truth: results / "predictions" / "video_preds" / truth.name for truth in sorted(truths.glob("*.csv"))
    }
    return {truth.stem: median_pixel_error(found, truth) for truth, found in predictions.items() if found.exists()}


def median_pixel_error(predictions: Path, truth: Path) -> float:
    """Return the median distance in pixels between predicted and true keypoints over all frames of a video.

    Both files are CSV files in the format of Lightning Pose. The distance of a true keypoint without a prediction is
    infinite.
    """
    predicted = dict(_poses(predictions))
    nowhere = (math.inf, math.inf)
    return statistics.median(
        math.dist(point, predicted.get(frame, {}).get(keypoint, nowhere))
        for frame, pose in _poses(truth)
        for keypoint, point in pose.items()
    )


def _poses(path: Path) -> Iterator[tuple[str, dict[str, tuple[float, float]]]]:
    """Yield the frame and the pose (keypoint to x, y in pixels) of each row, without keypoints that have no numbers."""
    with path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        names, coords = next(rows), next(rows)
        columns = {(name, coord): at for at, (name, coord) in enumerate(zip(names, coords, strict=True)) if at}
        keypoints = dict.fromkeys(name for name, _ in columns)
        for row in rows:
            pose = {name: (_number(row[columns[name, "x"]]), _number(row[columns[name, "y"]])) for name in keypoints}
            yield row[0], {name: point for name, point in pose.items() if not math.isnan(sum(point))}


def _number(text: str) -> float:
    return float(text) if text else math.nan
