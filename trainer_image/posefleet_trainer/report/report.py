"""The stage report: all ranks write the labelled videos, then rank 0 writes the page and the summary."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from posefleet_api.status import MAX_LABELLED_VIDEOS, Artifacts
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.prepared import Prepared, skeleton_of
from posefleet_trainer.gang.collectives import wait_for_all
from posefleet_trainer.gang.process_group import peer_errors
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.output_folder import MODEL_KEY, PREDICTIONS_FOLDER, REPORT_KEY, SUMMARY_KEY
from posefleet_trainer.prediction.csv_files import VideoFiles
from posefleet_trainer.prediction.project_files import ProjectFiles
from posefleet_trainer.prediction.results import FrameResults, Predictions
from posefleet_trainer.record.facts import ErrorOfFrames
from posefleet_trainer.report.drawing import keypoint_style
from posefleet_trainer.report.labelled_videos import LabelledVideoWriter, labelled_video_key, write_labelled_videos
from posefleet_trainer.report.page import JobResults, render_page
from posefleet_trainer.report.tables import ErrorOfSet, errors_by_set, mean_and_median, rows_of
from posefleet_trainer.store.base import Store

_log = logging.getLogger(__name__)


def report(context: Context, prepared: Prepared, model: TrainedModel, predictions: Predictions) -> Artifacts:
    """Write the labelled videos, ``report/index.html`` and ``summary.json`` to the output folder.

    All ranks must call it together; all return the same: where the results of the whole job are.

    Raises:
        InvalidInput: ``dataset.skeleton`` names a keypoint that the labels do not have, a video cannot be decoded, or
            the cache has no room for it.
        StoreUnreachable: The store did not answer.
        PeerLost: Another rank went away.
    """
    context.progress.begin("report")
    spec, rank, output = context.job.spec, context.rank, context.output
    style = keypoint_style(predictions.keypoints, skeleton_of(spec.dataset.skeleton, prepared))
    cache = context.open_cache()
    project_files = ProjectFiles(context.project, context.prepared, cache)
    video_files = VideoFiles(output, context.cache_directory, predictions.keypoints)
    context.facts.note(pixel_error=_errors_of_frames(predictions.frames))
    labelled = predictions.videos if spec.predict.labelled_video else []
    with peer_errors():
        if labelled:
            writer = LabelledVideoWriter(
                project_files, video_files, output, context.cache_directory, predictions.keypoints, style
            )
            write_labelled_videos(writer, labelled, rank, context.progress)
        if rank.index == 0:
            progress = context.progress.report()
            results = JobResults(
                job=context.job,
                output_uri=output.uri,
                model=model,
                predictions=predictions,
                frames_archive=prepared.frames_archive,
                data_format=prepared.format,
                style=style,
                warnings=list(dict.fromkeys([*prepared.warnings, *progress.warnings])),
                progress=progress,
                ranks=rank.world,
            )
            _write_page(output, results, project_files, video_files)
        wait_for_all()
    context.progress.update(100)
    return Artifacts(
        report=f"{output.uri}{REPORT_KEY}",
        predictions=f"{output.uri}{PREDICTIONS_FOLDER}",
        model=f"{output.uri}{MODEL_KEY}",
        labelled_videos=[
            f"{output.uri}{labelled_video_key(predicted)}" for predicted in labelled[:MAX_LABELLED_VIDEOS]
        ],
    )


def _write_page(output: Store, results: JobResults, project_files: ProjectFiles, video_files: VideoFiles) -> None:
    now = datetime.now(UTC)
    summary = json.dumps(job_summary(results, now), indent=2).encode()
    output.write(SUMMARY_KEY, summary, "application/json")
    page = render_page(results, project_files, video_files, now).encode()
    output.write(REPORT_KEY, page, "text/html; charset=utf-8")
    _log.info("wrote %s%s (%d KiB)", output.uri, REPORT_KEY, len(page) // 1024)


def job_summary(results: JobResults, now: datetime) -> dict[str, Any]:
    """Return the content of ``summary.json``."""
    model, predictions = results.model, results.predictions
    last = model.history[-1] if model.history else {}
    return {
        "job": results.job.metadata.name,
        "written": now.isoformat(timespec="seconds"),
        "format": results.data_format,
        "keypoints": list(predictions.keypoints),
        "epochs": last.get("epoch"),
        "steps": last.get("step"),
        "weightsSha256": model.sha256,
        "pixelError": {
            error.name: _summary_of_set(error, predictions.keypoints, predictions.frames)
            for error in errors_by_set(predictions.frames)
        },
        "videos": {predicted.name: {"frames": predicted.video.frames} for predicted in predictions.videos},
        "warnings": results.warnings,
    }


def _summary_of_set(error: ErrorOfSet, keypoints: Sequence[str], results: FrameResults) -> dict[str, Any]:
    pixels = results.pixel_error[rows_of(results, error.name)]
    means = [_rounded(mean_and_median(column)[0]) for column in pixels.T]
    return {
        "frames": error.frames,
        "labels": error.labels,
        "meanPixels": _rounded(error.mean),
        "medianPixels": _rounded(error.median),
        "meanPixelsByKeypoint": dict(zip(keypoints, means, strict=True)),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _errors_of_frames(results: FrameResults) -> dict[str, ErrorOfFrames]:
    """Return the errors by set, as the summary of the attempt records them."""
    return {
        error.name: ErrorOfFrames(
            frames=error.frames, labels=error.labels, mean_pixels=error.mean, median_pixels=error.median
        )
        for error in errors_by_set(results)
    }
