"""The results in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from posefleet_trainer.dataset.split import SET_NAMES, SetName
from posefleet_trainer.evaluation.results import Floats, FrameResults
from posefleet_trainer.report.material import Material


@dataclass(frozen=True)
class ErrorOfSet:
    """How far the predictions are from the labels in one set of frames."""

    name: SetName
    frames: int
    labels: int
    mean: float | None
    """Pixels of the source frame, over all labels; None without a label."""
    median: float | None


def errors_by_set(results: FrameResults) -> list[ErrorOfSet]:
    """For the sets that have frames, in their usual order."""
    errors = []
    for name in SET_NAMES:
        rows = rows_of(results, name)
        if rows:
            mean, median, labels = mean_and_median(results.pixel_error[rows])
            errors.append(ErrorOfSet(name, len(rows), labels, mean, median))
    return errors


def rows_of(results: FrameResults, name: SetName) -> list[int]:
    """The rows of one set's frames."""
    return [row for row, other in enumerate(results.sets) if other == name]


def mean_and_median(pixels: Floats) -> tuple[float | None, float | None, int]:
    """Of what is not NaN, and how many that are."""
    known = pixels[np.isfinite(pixels)]
    if not known.size:
        return None, None, 0
    return float(known.mean()), float(np.median(known)), int(known.size)


def summary(material: Material, now: datetime) -> dict[str, Any]:
    """What ``summary.json`` says."""
    job, model, predictions = material.context.job, material.model, material.predictions
    last = model.history[-1] if model.history else {}
    return {
        "job": job.metadata.name,
        "written": now.isoformat(timespec="seconds"),
        "keypoints": list(predictions.keypoints),
        "epochs": last.get("epoch"),
        "steps": last.get("step"),
        "weightsSha256": model.sha256,
        "pixelError": {error.name: _of_set(error, material) for error in errors_by_set(predictions.frames)},
        "videos": {predicted.name: {"frames": predicted.video.frames} for predicted in predictions.videos},
        "warnings": warnings_of(material),
    }


def warnings_of(material: Material) -> list[str]:
    """What prepare and the later stages passed over, each sentence once."""
    return list(dict.fromkeys([*material.prepared.warnings, *material.context.progress.report().warnings]))


def _of_set(error: ErrorOfSet, material: Material) -> dict[str, Any]:
    results = material.predictions.frames
    means = _column_means(results.pixel_error[rows_of(results, error.name)])
    return {
        "frames": error.frames,
        "labels": error.labels,
        "meanPixels": _rounded(error.mean),
        "medianPixels": _rounded(error.median),
        "meanPixelsByKeypoint": dict(zip(material.predictions.keypoints, map(_rounded, means), strict=True)),
    }


def _column_means(pixels: Floats) -> Sequence[float | None]:
    return [mean_and_median(column)[0] for column in pixels.T]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
