"""The page ``report/index.html``: one file that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from posefleet_trainer.output_folder import LABELLED_VIDEOS_FOLDER
from posefleet_trainer.prediction.results import PredictedVideo, video_results
from posefleet_trainer.record.facts import versions
from posefleet_trainer.report.charts import Series, Trace, draw_error_plot, error_charts, traces, training_curves
from posefleet_trainer.report.drawing import LOW_CONFIDENCE
from posefleet_trainer.report.material import Material
from posefleet_trainer.report.palette import hexadecimal
from posefleet_trainer.report.pictures import SampleFrame, sample_frames, worst_frames
from posefleet_trainer.report.tables import (
    SET_WORDS,
    ErrorOfSet,
    KeypointErrors,
    KeypointOnVideo,
    attempts_of,
    errors_by_set,
    kept_files,
    keypoint_errors,
    keypoints_on_video,
    manifest_of,
    planes,
    warnings_of,
)

_WORST_FRAMES = 9
#: Keeps the page at a few megabytes, however many videos there are.
_SHOWN_VIDEOS = 8
_SAMPLE_FRAMES = 4


@dataclass(frozen=True)
class VideoSection:
    """What the page shows of one video."""

    predicted: PredictedVideo
    link: str | None
    """The labelled video, seen from the page."""
    frames: list[SampleFrame]
    charts: list[Markup]
    traces: list[Trace]
    table: list[KeypointOnVideo]
    planes: list[str]


def render_page(material: Material, now: datetime) -> str:
    """The page as HTML. Names, paths and warnings in it are other people's text, and are escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pixels"] = lambda value: "—" if value is None else f"{value:.2f}"
    environment.filters["percent"] = lambda value: "—" if value is None else f"{100 * value:.1f} %"
    return environment.get_template("template.html").render(**_contents(material, now))


def _contents(material: Material, now: datetime) -> dict[str, Any]:
    job, predictions, model = material.context.job, material.predictions, material.model
    colours = [hexadecimal(colour) for colour in material.style.colours]
    errors = errors_by_set(predictions.frames)
    by_keypoint = keypoint_errors(predictions.keypoints, colours, predictions.frames)
    return {
        "job": job,
        "written": now,
        "output": material.context.output.uri,
        "model": model,
        "last": model.history[-1] if model.history else None,
        "keypoints": list(zip(predictions.keypoints, colours, strict=True)),
        "set_words": SET_WORDS,
        "low_confidence": LOW_CONFIDENCE,
        "errors": errors,
        "error_rows": by_keypoint,
        "error_plot": _error_plot(errors, by_keypoint),
        "curves": training_curves(model.history),
        "worst_frames": worst_frames(material, _WORST_FRAMES),
        "videos": [_video_section(material, predicted) for predicted in predictions.videos[:_SHOWN_VIDEOS]],
        "all_videos": predictions.videos,
        "warnings": warnings_of(material),
        "manifest": manifest_of(job),
        "attempts": attempts_of(job, material.context.progress.report()),
        "kept_files": lambda attempt: kept_files(attempt, job.spec.resources.nodes),
        "ranks": material.context.rank.world,
        "versions": versions(),
    }


def _error_plot(errors: Sequence[ErrorOfSet], rows: Sequence[KeypointErrors]) -> Markup:
    series = [
        Series(SET_WORDS[error.name], error.name, [row.means[place] for row in rows])
        for place, error in enumerate(errors)
    ]
    return draw_error_plot([row.keypoint for row in rows], [row.colour for row in rows], series)


def _video_section(material: Material, predicted: PredictedVideo) -> VideoSection:
    keypoints = material.predictions.keypoints
    colours = [hexadecimal(colour) for colour in material.style.colours]
    has_labelled = material.context.job.spec.predict.labelled_video
    results = video_results(material.poses(predicted), material.predictions.spaces)
    return VideoSection(
        predicted=predicted,
        link=f"../{LABELLED_VIDEOS_FOLDER}{quote(predicted.name)}.mp4" if has_labelled else None,
        frames=sample_frames(material, predicted.video, results.poses, _SAMPLE_FRAMES),
        charts=error_charts(material, results),
        traces=traces(material, results),
        table=keypoints_on_video(keypoints, colours, results),
        planes=[name for name, _ in planes(results)],
    )
