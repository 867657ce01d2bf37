"""A tiny project with predictions made up from its labels: enough for every part of a report."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.pose_subspaces import PoseSpaces, fit_single_view, label_points
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.dataset.split import split_frames
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.network import PoseNetwork
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.prediction.csv_files import VideoFiles
from posefleet_trainer.prediction.project_files import ProjectFiles
from posefleet_trainer.prediction.results import (
    FrameResults,
    Poses,
    PredictedVideo,
    Predictions,
    pixel_error,
    video_results,
)
from posefleet_trainer.preparation.prepare import prepare
from posefleet_trainer.report.drawing import keypoint_style
from posefleet_trainer.report.labelled_videos import LabelledVideoWriter
from posefleet_trainer.report.page import JobResults, render_page
from posefleet_trainer.store.cache import NodeCache
from unit.trainer.training.tiny import TinyProject, context_of

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)

HISTORY: list[dict[str, Any]] = [
    {"step": 3 * epoch, "epoch": epoch, "losses": {"heatmap": 0.1 / epoch, "temporal": 0.0}, "learning_rate": 1e-3}
    | ({"validation_pixel_error": 9.0 / epoch} if epoch % 2 else {})
    for epoch in range(1, 6)
]


@dataclass(frozen=True)
class Made:
    """A prepared project and an untrained network."""

    context: Context
    prepared: Prepared
    model: TrainedModel

    @classmethod
    def on(cls, root: Path) -> "Made":
        project = TinyProject(video_frames=40)
        project.write(root)
        context = context_of(project.job(root), root)
        prepared = prepare(context)
        network = PoseNetwork("mobilenetv3_small", Grid(64, 64), len(prepared.keypoints))
        model = TrainedModel(network, "mobilenetv3_small", list(prepared.keypoints), Grid(64, 64), list(HISTORY))
        return cls(context, prepared, model)

    def results(self, names: list[str] | None = None, *, sets: set[str] | None = None, videos: int = 1) -> JobResults:
        """Return results for keypoints ``names``, which share the project's labels; ``sets`` keeps only some sets."""
        names = list(self.prepared.keypoints) if names is None else names
        sources = [place % len(self.prepared.keypoints) for place in range(len(names))]
        frames = [
            frame.model_copy(update={"points": [frame.points[source] for source in sources]})
            for frame in self.prepared.frames
        ]
        prepared = self.prepared.model_copy(update={"keypoints": names, "frames": frames})
        spaces = PoseSpaces(fit_single_view(label_points(frames, len(names)), 1, [0]), None)
        predicted = self._videos(names, spaces, videos)
        predictions = Predictions(names, self._frames(frames, len(names), sets), spaces, predicted)
        progress = self.context.progress.report()
        return JobResults(
            job=self.context.job,
            output_uri=self.context.output.uri,
            model=self.model,
            predictions=predictions,
            frames_archive=prepared.frames_archive,
            data_format=prepared.format,
            style=keypoint_style(names, self.context.job.spec.dataset.skeleton),
            warnings=[*prepared.warnings, *progress.warnings],
            progress=progress,
            ranks=1,
        )

    def page(self, results: JobResults) -> str:
        """Return the page that presents ``results``."""
        return render_page(results, self.project_files(), self.video_files(results.predictions.keypoints), NOW)

    def project_files(self, cache: NodeCache | None = None) -> ProjectFiles:
        """Return what opens the project's files through ``cache``, or through that of the context."""
        cache = cache or NodeCache(self.context.cache_directory, self.context.cache_bytes)
        return ProjectFiles(self.context.project, self.context.prepared, cache)

    def video_files(self, names: list[str]) -> VideoFiles:
        """Return what reads and writes the predictions on videos."""
        return VideoFiles(self.context.output, self.context.cache_directory, names)

    def labelled_video_writer(self, results: JobResults, cache: NodeCache) -> LabelledVideoWriter:
        """Return a writer of the labelled videos of ``results``, which reads through ``cache``."""
        names = results.predictions.keypoints
        return LabelledVideoWriter(
            self.project_files(cache),
            self.video_files(names),
            self.context.output,
            self.context.cache_directory,
            names,
            results.style,
        )

    def _frames(self, frames: Any, keypoints: int, wanted: set[str] | None) -> FrameResults:
        spec = self.context.job.spec
        sets = split_frames(frames, spec.dataset.split, spec.training.seed)
        kept = [row for row, name in enumerate(sets) if wanted is None or name in wanted]
        frames, sets = [frames[row] for row in kept], [sets[row] for row in kept]
        labels = label_points(frames, keypoints)
        points = (labels + np.random.default_rng(1).normal(0, 4, labels.shape)).astype(np.float32)
        poses = Poses(points, np.full(points.shape[:2], 0.8, np.float32))
        return FrameResults(frames, sets, poses, pixel_error(points, labels), None, None)

    def _videos(self, names: list[str], spaces: PoseSpaces, count: int) -> list[PredictedVideo]:
        video = self.prepared.predict_videos[0]
        results = video_results(made_up_poses(video.frames, len(names)), spaces)
        predicted = [PredictedVideo(f"vid{number}" if number else "vid", video) for number in range(count)]
        files = self.video_files(names)
        for each in predicted:
            files.write(self.model.sha256, each, results)
        return predicted


def made_up_poses(frames: int, keypoints: int) -> Poses:
    """Poses that circle in a picture of 80 x 80 pixels, half of them in doubt."""
    time = np.arange(frames)[:, None] / 7 + np.arange(keypoints)
    points = np.stack([40 + 30 * np.cos(time), 40 + 30 * np.sin(time)], axis=-1).astype(np.float32)
    confidence = np.where(np.arange(frames)[:, None] % 20 < 10, 0.2, 0.9) * np.ones((1, keypoints))
    return Poses(points, confidence.astype(np.float32))
