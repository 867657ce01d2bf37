"""The stage report: labelled videos by all ranks, then the page and the summary by rank 0."""

import json
import logging
from datetime import UTC, datetime

from posefleet_api.status import Artifacts
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.gang.collectives import wait_for_all
from posefleet_trainer.gang.process_group import peer_errors
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.output_folder import MODEL_KEY, PREDICTIONS_FOLDER, REPORT_KEY, SUMMARY_KEY
from posefleet_trainer.prediction.results import Predictions
from posefleet_trainer.record.facts import ErrorOfFrames
from posefleet_trainer.report.labelled_videos import video_uris, write_labelled_videos
from posefleet_trainer.report.material import Material
from posefleet_trainer.report.page import render_page
from posefleet_trainer.report.tables import errors_by_set, summary

_log = logging.getLogger(__name__)


def report(context: Context, prepared: Prepared, model: TrainedModel, predictions: Predictions) -> Artifacts:
    """Write the labelled videos, ``report/index.html`` and ``summary.json`` to the output folder.

    All ranks call it together and return the same: where the results of the whole job are.

    Raises:
        InvalidInput: a video cannot be decoded.
        PeerLost: another rank went away.
    """
    context.progress.begin("report")
    material = Material.of(context, prepared, model, predictions)
    context.facts.note(
        pixel_error={
            error.name: ErrorOfFrames(
                frames=error.frames, labels=error.labels, mean_pixels=error.mean, median_pixels=error.median
            )
            for error in errors_by_set(predictions.frames)
        }
    )
    with peer_errors():
        if context.job.spec.predict.labelled_video:
            write_labelled_videos(material)
        if context.rank.index == 0:
            _write_page(material)
        wait_for_all()
    context.progress.update(100)
    return Artifacts(
        report=f"{context.output.uri}{REPORT_KEY}",
        predictions=f"{context.output.uri}{PREDICTIONS_FOLDER}",
        model=f"{context.output.uri}{MODEL_KEY}",
        labelled_videos=video_uris(material),
    )


def _write_page(material: Material) -> None:
    output, now = material.context.output, datetime.now(UTC)
    output.write(SUMMARY_KEY, json.dumps(summary(material, now), indent=2).encode(), "application/json")
    page = render_page(material, now).encode()
    output.write(REPORT_KEY, page, "text/html; charset=utf-8")
    _log.info("wrote %s%s (%d KiB)", output.uri, REPORT_KEY, len(page) // 1024)
