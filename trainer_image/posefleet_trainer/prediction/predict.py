"""The stage predict: all ranks predict the labelled frames and the videos, and rank 0 writes the results."""

import logging
import time

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.pose_subspaces import fit_pose_spaces
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.dataset.split import split_frames
from posefleet_trainer.errors import PeerLost, Preempted
from posefleet_trainer.gang.collectives import wait_for_all
from posefleet_trainer.gang.determinism import compute_threads
from posefleet_trainer.gang.preemption import StopRequest, stop_request
from posefleet_trainer.gang.process_group import peer_errors
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.prediction.csv_files import VideoFiles, write_frame_results
from posefleet_trainer.prediction.labelled_frames import predict_labelled_frames
from posefleet_trainer.prediction.project_files import ProjectFiles
from posefleet_trainer.prediction.results import Predictions
from posefleet_trainer.prediction.videos import VideoPredictor, predicted_videos
from posefleet_trainer.telemetry.progress import ProgressTracker

_log = logging.getLogger(__name__)

_STOPPED = "stopped by SIGTERM while predicting; finished videos are in the store and are not predicted again"


def predict(context: Context, prepared: Prepared, model: TrainedModel) -> Predictions:
    """Predict all labelled frames and videos, and write the results to ``predictions/`` of the output folder.

    All ranks must call it together; all return the same. Videos that an earlier attempt finished with the same weights
    are not predicted again.

    Raises:
        Preempted: SIGTERM was received.
        InvalidInput: A video or the archive of labelled frames is missing, was changed, or cannot be decoded.
        StoreUnreachable: The store did not answer.
        PeerLost: Another rank went away.
    """
    with stop_request() as request:
        try:
            with peer_errors():
                return _predict(context, prepared, model, request)
        except PeerLost:
            # Ranks that are stopped together lose each other before they see their own request.
            if request.made:
                raise Preempted(_STOPPED) from None
            raise


def _predict(context: Context, prepared: Prepared, model: TrainedModel, request: StopRequest) -> Predictions:
    spec, rank = context.job.spec, context.rank
    total = len(prepared.frames) + sum(video.frames for video in prepared.predict_videos)
    progress = _PredictionProgress(context.progress, total, rank.world, request)
    cache = context.open_cache()
    project_files = ProjectFiles(context.project, context.prepared, cache)
    spaces = fit_pose_spaces(spec, prepared)
    sets = split_frames(prepared.frames, spec.dataset.split, spec.training.seed)

    frames = predict_labelled_frames(model, prepared, sets, spaces, project_files, rank, progress.add)
    if rank.index == 0:
        write_frame_results(context.output, model.keypoints, frames, context.cache_directory)

    video_files = VideoFiles(context.output, context.cache_directory, model.keypoints)
    threads = compute_threads(spec.resources.cpus_per_node, rank.local_world)
    predictor = VideoPredictor(model, spaces, project_files, video_files, rank, threads)
    videos = predicted_videos(prepared.predict_videos)
    finished = len(prepared.frames)
    for predicted in videos:
        predictor.predict(predicted, progress.add)
        finished += predicted.video.frames
        progress.set(finished)
        _log.info("predicted %s: %d frames", predicted.video.source.path, predicted.video.frames)
    # The report reads what rank 0 has written.
    wait_for_all()
    return Predictions(list(model.keypoints), frames, spaces, videos)


class _PredictionProgress:
    """Reports the progress of the stage, and raises ``Preempted`` after SIGTERM.

    It counts the frames of this rank for all ranks, which have equal parts, so that they need not talk to each other.
    """

    def __init__(self, progress: ProgressTracker, total: int, world: int, request: StopRequest) -> None:
        self._progress = progress
        self._world = world
        self._total = max(1, total)
        self._request = request
        self._finished = 0
        self._computed = 0
        self._began = time.monotonic()
        self._progress.begin("predict")

    def add(self, frames: int) -> None:
        """Count ``frames`` more frames that this rank has predicted.

        Raises:
            Preempted: SIGTERM was received.
        """
        if self._request.made:
            raise Preempted(_STOPPED)
        self._computed += frames * self._world
        self.set(self._finished + frames * self._world)

    def set(self, finished: int) -> None:
        """Report that all ranks together have finished ``finished`` frames, by now or in an earlier attempt."""
        self._finished = min(finished, self._total)
        rate = self._computed / max(1e-9, time.monotonic() - self._began)
        self._progress.update(100.0 * self._finished / self._total, frames_per_second=round(rate, 1))
