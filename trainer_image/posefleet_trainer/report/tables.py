"""The results in numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import yaml

from posefleet_api.job import PoseTrainingJob
from posefleet_api.outcomes import ProgressReport
from posefleet_api.status import Attempt
from posefleet_trainer.dataset.split import SET_NAMES, SetName
from posefleet_trainer.output_folder import attempt_summary_key, node_log_key
from posefleet_trainer.prediction.results import Floats, FrameResults, PcaErrors, VideoResults
from posefleet_trainer.report.drawing import LOW_CONFIDENCE
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


#: Of an attempt on many nodes.
_LINKED_LOGS = 4

SET_WORDS: dict[SetName, str] = {
    "train": "training",
    "validation": "validation",
    "test": "test",
    "outOfDistribution": "out of distribution",
}


@dataclass(frozen=True)
class KeypointErrors:
    """A keypoint's errors in each set that has frames."""

    keypoint: str
    colour: str
    means: list[float | None]
    medians: list[float | None]


@dataclass(frozen=True)
class KeypointOnVideo:
    """A keypoint's plausibility on a video."""

    keypoint: str
    colour: str
    confidence: float | None
    doubtful: float | None
    """Share of frames below ``LOW_CONFIDENCE``."""
    median_jump: float | None
    largest_jump: float | None
    implausible: list[float | None]
    """Share of frames above epsilon, for each plane."""


def keypoint_errors(keypoints: Sequence[str], colours: Sequence[str], results: FrameResults) -> list[KeypointErrors]:
    """A row a keypoint; its columns are the sets of ``errors_by_set``."""
    parts = [results.pixel_error[rows_of(results, error.name)] for error in errors_by_set(results)]
    rows = []
    for place, (name, colour) in enumerate(zip(keypoints, colours, strict=True)):
        measured = [mean_and_median(part[:, place]) for part in parts]
        rows.append(KeypointErrors(name, colour, [mean for mean, _, _ in measured], [mid for _, mid, _ in measured]))
    return rows


def keypoints_on_video(
    keypoints: Sequence[str], colours: Sequence[str], results: VideoResults
) -> list[KeypointOnVideo]:
    """A row a keypoint; ``implausible`` follows ``planes``."""
    rows = []
    for place, (name, colour) in enumerate(zip(keypoints, colours, strict=True)):
        confidence, jumps = results.poses.confidence[:, place], results.temporal_norm[:, place]
        known = jumps[np.isfinite(jumps)]
        rows.append(
            KeypointOnVideo(
                name,
                colour,
                confidence=float(confidence.mean()) if len(confidence) else None,
                doubtful=float((confidence < LOW_CONFIDENCE).mean()) if len(confidence) else None,
                median_jump=float(np.median(known)) if len(known) else None,
                largest_jump=float(known.max()) if len(known) else None,
                implausible=[_share_above(errors, place) for _, errors in planes(results)],
            )
        )
    return rows


def planes(results: VideoResults) -> list[tuple[str, PcaErrors]]:
    """The planes of plausible poses that the job has."""
    named = (("single-view PCA", results.single_view), ("multi-view PCA", results.multi_view))
    return [(name, errors) for name, errors in named if errors is not None]


def attempts_of(job: PoseTrainingJob, present: ProgressReport) -> list[Attempt]:
    """The attempts that the operator knows, and this one."""
    earlier = job.status.attempts if job.status else []
    recorded = next((attempt for attempt in earlier if attempt.number == present.attempt), None)
    began = recorded or Attempt(number=present.attempt, start_time="")
    now = began.model_copy(update={"start_step": present.start_step})
    return [*(attempt for attempt in earlier if attempt.number != present.attempt), now]


def kept_files(attempt: Attempt, nodes: int) -> list[str]:
    """The summary and the logs of an attempt of the operator, in the output folder; none of a workstation's."""
    if attempt.number == 0:
        return []
    logs = [node_log_key(attempt.number, node) for node in range(min(nodes, _LINKED_LOGS))]
    return [attempt_summary_key(attempt.number), *logs]


def manifest_of(job: PoseTrainingJob) -> str:
    """The job as YAML. What is passed to containers as environment is left out: people put secrets there."""
    manifest: dict[str, Any] = job.to_dict()
    manifest.pop("status", None)
    for variable in manifest["spec"].get("podTemplate", {}).get("env", []):
        variable.update({"value": "(left out)"} if variable.get("value") else {})
    return yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=100)


def _share_above(errors: PcaErrors, keypoint: int) -> float | None:
    if keypoint not in errors.keypoints:
        return None
    pixels: Floats = errors.pixels[:, errors.keypoints.index(keypoint)]
    known = pixels[np.isfinite(pixels)]
    return float((known > errors.epsilon_pixels).mean()) if len(known) else None
