"""The stage predict: labelled frames and videos through the trained model, shared out over the ranks."""

import logging
import time

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.pose_subspaces import fit_pose_spaces
from posefleet_trainer.dataset.prepared import Prepared
from posefleet_trainer.errors import PeerLost, Preempted
from posefleet_trainer.gang.collectives import wait_for_all
from posefleet_trainer.gang.preemption import StopRequest, stop_request
from posefleet_trainer.gang.process_group import peer_errors
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.prediction.csv_files import write_frame_results
from posefleet_trainer.prediction.labelled_frames import predict_labelled_frames
from posefleet_trainer.prediction.results import Predictions
from posefleet_trainer.prediction.videos import VideoPredictor, predicted_videos
from posefleet_trainer.store.cache import NodeCache

_log = logging.getLogger(__name__)


def predict(context: Context, prepared: Prepared, model: TrainedModel) -> Predictions:
    """Predict everything, and leave it in the output folder under ``predictions/``.

    All ranks call it together and return the same.

    Raises:
        Preempted: SIGTERM came; videos that were finished are not predicted again.
    """
    with stop_request() as request:
        try:
            with peer_errors():
                return _predict(context, prepared, model, request)
        except PeerLost:
            # Ranks that are stopped together lose each other first.
            if request.made:
                raise Preempted("asked to stop while predicting; finished videos are in the store") from None
            raise


def _predict(context: Context, prepared: Prepared, model: TrainedModel, request: StopRequest) -> Predictions:
    total = len(prepared.frames) + sum(video.frames for video in prepared.predict_videos)
    meter = _Meter(context, total, request)
    cache = NodeCache(context.cache_directory, context.cache_bytes)
    spaces = fit_pose_spaces(context.job.spec, prepared)
    frames = predict_labelled_frames(context, prepared, model, spaces, cache, meter.done)
    if context.rank.index == 0:
        write_frame_results(context.output, model.keypoints, frames, context.cache_directory)
    predictor = VideoPredictor(context, model, spaces, cache)
    videos = predicted_videos(prepared.predict_videos)
    expected = len(prepared.frames)
    for predicted in videos:
        predictor.predict(predicted, meter.done)
        expected += predicted.video.frames
        meter.reached(expected)
        _log.info("predicted %s: %d frames", predicted.video.source.path, predicted.video.frames)
    # The report reads what the first rank writes.
    wait_for_all()
    return Predictions(list(model.keypoints), frames, spaces, videos)


class _Meter:
    """Counts frames of all ranks (each does its equal share) and looks for a request to stop."""

    def __init__(self, context: Context, total: int, request: StopRequest) -> None:
        self._progress = context.progress
        self._world = context.rank.world
        self._total = max(1, total)
        self._request = request
        self._count = self._computed = 0
        self._began = time.monotonic()
        self._progress.begin("predict")

    def done(self, frames: int) -> None:
        """``frames`` more on this rank."""
        if self._request.made:
            raise Preempted("asked to stop while predicting; finished videos are in the store")
        self._computed += frames * self._world
        self._show(self._count + frames * self._world)

    def reached(self, frames: int) -> None:
        """All ranks together have ``frames``."""
        self._show(frames)

    def _show(self, count: int) -> None:
        self._count = min(count, self._total)
        rate = self._computed / max(1e-9, time.monotonic() - self._began)
        self._progress.update(100.0 * self._count / self._total, frames_per_second=round(rate, 1))
