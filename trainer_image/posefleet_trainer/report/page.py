"""The page ``report/index.html``: one HTML file with all its pictures and charts, which loads nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from markupsafe import Markup

from posefleet_api.job import PoseTrainingJob
from posefleet_api.outcomes import ProgressReport
from posefleet_api.status import Attempt
from posefleet_trainer.dataset.prepared import StoredFile
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.output_folder import attempt_summary_key, node_log_key
from posefleet_trainer.prediction.csv_files import VideoFiles
from posefleet_trainer.prediction.project_files import ProjectFiles
from posefleet_trainer.prediction.results import PredictedVideo, Predictions, video_results
from posefleet_trainer.record.facts import versions
from posefleet_trainer.report.charts import (
    KeypointTrace,
    SetErrors,
    draw_error_plot,
    error_charts,
    keypoint_traces,
    training_curves,
)
from posefleet_trainer.report.drawing import LOW_CONFIDENCE, Style
from posefleet_trainer.report.labelled_videos import labelled_video_key
from posefleet_trainer.report.palette import hexadecimal
from posefleet_trainer.report.pictures import SampleFrame, sample_frames, worst_frames
from posefleet_trainer.report.tables import (
    ErrorOfSet,
    KeypointErrors,
    KeypointOnVideo,
    errors_by_set,
    keypoint_errors,
    keypoints_on_video,
    subspaces,
)

_WORST_FRAMES = 9
#: Limits the page to a few megabytes, however many videos there are.
_SHOWN_VIDEOS = 8
_SAMPLE_FRAMES = 4
#: Limits the links of an attempt on many nodes.
_LINKED_LOGS = 4
_SET_WORDS = {
    "train": "training",
    "validation": "validation",
    "test": "test",
    "outOfDistribution": "out of distribution",
    "heldOut": "held-out test",
}


@dataclass(frozen=True)
class JobResults:
    """What the page presents."""

    job: PoseTrainingJob
    output_uri: str
    model: TrainedModel
    predictions: Predictions
    frames_archive: StoredFile
    """The labelled frames."""
    data_format: str
    """The format of the project folder."""
    style: Style
    warnings: list[str]
    """The warnings of all stages, each once."""
    progress: ProgressReport
    """The progress of this attempt."""
    ranks: int


@dataclass(frozen=True)
class VideoSection:
    """What the page shows of one video."""

    predicted: PredictedVideo
    link: str | None
    """The address of the labelled video, relative to the page; None if there is none."""
    frames: list[SampleFrame]
    charts: list[Markup]
    traces: list[KeypointTrace]
    table: list[KeypointOnVideo]
    subspaces: list[str]


def render_page(results: JobResults, project_files: ProjectFiles, video_files: VideoFiles, now: datetime) -> str:
    """Render the page as HTML. All names, paths and warnings come from users, and are escaped.

    Raises:
        InvalidInput: A video or the archive of labelled frames is missing, was changed, or cannot be decoded.
    """
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
    contents = _contents(results, project_files, video_files, now)
    return environment.get_template("template.html").render(**contents)


def _contents(
    results: JobResults, project_files: ProjectFiles, video_files: VideoFiles, now: datetime
) -> dict[str, Any]:
    """Return the variables of the template."""
    job, predictions, model = results.job, results.predictions, results.model
    colours = [hexadecimal(colour) for colour in results.style.colours]
    errors = errors_by_set(predictions.frames)
    by_keypoint = keypoint_errors(predictions.keypoints, colours, predictions.frames)
    with project_files.labelled_frames(results.frames_archive) as archive:
        worst = worst_frames(archive, predictions.frames, predictions.keypoints, results.style, _WORST_FRAMES)
    videos = [
        _video_section(results, predicted, project_files, video_files)
        for predicted in predictions.videos[:_SHOWN_VIDEOS]
    ]
    return {
        "job": job,
        "written": now,
        "data_format": results.data_format,
        "output": results.output_uri,
        "model": model,
        "last": model.history[-1] if model.history else None,
        "keypoints": list(zip(predictions.keypoints, colours, strict=True)),
        "set_words": _SET_WORDS,
        "low_confidence": LOW_CONFIDENCE,
        "errors": errors,
        "error_rows": by_keypoint,
        "error_plot": _error_plot(errors, by_keypoint),
        "curves": training_curves(model.history),
        "worst_frames": worst,
        "videos": videos,
        "all_videos": predictions.videos,
        "warnings": results.warnings,
        "manifest": manifest_of(job),
        "attempts": attempts_of(job, results.progress),
        "kept_files": lambda attempt: kept_files(attempt, job.spec.resources.nodes),
        "ranks": results.ranks,
        "versions": versions(),
    }


def _error_plot(errors: Sequence[ErrorOfSet], rows: Sequence[KeypointErrors]) -> Markup:
    sets = [
        SetErrors(_SET_WORDS[error.name], error.name, [row.means[place] for row in rows])
        for place, error in enumerate(errors)
    ]
    return draw_error_plot([row.keypoint for row in rows], [row.colour for row in rows], sets)


def _video_section(
    results: JobResults, predicted: PredictedVideo, project_files: ProjectFiles, video_files: VideoFiles
) -> VideoSection:
    spec, predictions, style = results.job.spec, results.predictions, results.style
    keypoints = predictions.keypoints
    colours = [hexadecimal(colour) for colour in style.colours]
    on_video = video_results(video_files.read_poses(predicted), predictions.spaces)
    with project_files.video(predicted.video) as (path, index):
        samples = sample_frames(path, index, on_video.poses, style, _SAMPLE_FRAMES)
    epsilon_pixels = spec.losses.temporal.epsilon_pixels if "temporal" in spec.losses.on else None
    return VideoSection(
        predicted=predicted,
        link=f"../{quote(labelled_video_key(predicted))}" if spec.predict.labelled_video else None,
        frames=samples,
        charts=error_charts(on_video, epsilon_pixels),
        traces=keypoint_traces(keypoints, colours, on_video.poses),
        table=keypoints_on_video(keypoints, colours, on_video),
        subspaces=[name for name, _ in subspaces(on_video)],
    )


def attempts_of(job: PoseTrainingJob, progress: ProgressReport) -> list[Attempt]:
    """Return the attempts that the operator has recorded, and the present one, whose progress is ``progress``."""
    recorded = job.status.attempts if job.status else []
    present = next((attempt for attempt in recorded if attempt.number == progress.attempt), None)
    # Without an operator nobody knows when the attempt started, so its time is empty, which a status may not have.
    present = present or Attempt.model_construct(number=progress.attempt, start_time="")
    present = present.model_copy(update={"start_step": progress.start_step})
    return [*(attempt for attempt in recorded if attempt.number != progress.attempt), present]


def kept_files(attempt: Attempt, nodes: int) -> list[str]:
    """Return the keys of an attempt's summary and logs in the output folder; none for a run without an operator."""
    if attempt.number == 0:
        return []
    logs = [node_log_key(attempt.number, node) for node in range(min(nodes, _LINKED_LOGS))]
    return [attempt_summary_key(attempt.number), *logs]


def manifest_of(job: PoseTrainingJob) -> str:
    """Return the job as YAML, without status and without the values of environment variables, which may be secrets."""
    manifest: dict[str, Any] = job.to_dict()
    manifest.pop("status", None)
    for variable in manifest["spec"].get("pod", {}).get("env", []):
        variable.update({"value": "(left out)"} if variable.get("value") else {})
    return yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=100)
