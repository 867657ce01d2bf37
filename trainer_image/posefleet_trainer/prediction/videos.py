"""Prediction of videos: each rank predicts a part of every video, and rank 0 writes the results."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from posefleet_trainer.context import Rank
from posefleet_trainer.dataset.pose_subspaces import PoseSpaces
from posefleet_trainer.dataset.prepared import Video
from posefleet_trainer.dataset.video_names import video_names
from posefleet_trainer.gang.collectives import from_first, to_first
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.prediction.csv_files import VideoFiles
from posefleet_trainer.prediction.inference import predict_frames
from posefleet_trainer.prediction.project_files import ProjectFiles
from posefleet_trainer.prediction.results import Poses, PredictedVideo, video_results
from posefleet_trainer.video.decode import read_frames
from posefleet_trainer.video.index import VideoIndex

#: A decoder has to begin at a key frame. If its part were shorter, it would decode more frames before the part than in
#: it.
_FEWEST_FRAMES_PER_DECODER = 512


class VideoPredictor:
    """Predicts videos with one model. All ranks must call it together.

    Args:
        model: The trained model, equal on all ranks.
        spaces: The subspaces of plausible poses, for the errors of the predicted poses.
        project_files: Opens the videos.
        video_files: Writes the results; only rank 0 does.
        rank: This process among those that predict together.
        threads: How many decoders this rank runs at once.
    """

    def __init__(
        self,
        model: TrainedModel,
        spaces: PoseSpaces,
        project_files: ProjectFiles,
        video_files: VideoFiles,
        rank: Rank,
        threads: int,
    ) -> None:
        self._model = model
        self._spaces = spaces
        self._project_files = project_files
        self._video_files = video_files
        self._rank = rank
        self._threads = threads

    def predict(self, predicted: PredictedVideo, count_frames: Callable[[int], None]) -> None:
        """Write the results of a video, unless they exist already and were predicted with the same weights.

        ``count_frames`` is called with the number of frames in each batch that this rank has predicted; it may raise
        to stop the prediction.

        Raises:
            InvalidInput: The video is missing, was changed after it was prepared, or cannot be decoded.
        """
        is_first = self._rank.index == 0
        if from_first(is_first and self._video_files.are_complete(self._model.sha256, predicted)):
            return
        parts = to_first(self._predict_part(predicted.video, count_frames))
        if is_first:
            results = video_results(Poses.concatenate(parts), self._spaces)
            self._video_files.write(self._model.sha256, predicted, results)

    def _predict_part(self, video: Video, count_frames: Callable[[int], None]) -> Poses:
        with self._project_files.video(video) as (path, index):
            return self._predict_file(path, index, video, count_frames)

    def _predict_file(self, path: Path, index: VideoIndex, video: Video, count_frames: Callable[[int], None]) -> Poses:
        mine = frames_of_rank(video.frames, self._rank.index, self._rank.world)
        size = (self._model.image_size.height, self._model.image_size.width)
        with ExitStack() as stack:
            decoders = [
                stack.enter_context(closing(read_frames(path, index, part.start, part.stop, size)))
                for part in split_for_decoders(mine, index, self._threads)
            ]
            return predict_frames(self._model, decoders, Grid(video.height, video.width), count_frames)


def predicted_videos(videos: Sequence[Video]) -> list[PredictedVideo]:
    """Name the result files of each video."""
    names = video_names([video.source.path for video in videos])
    return [PredictedVideo(name, video) for name, video in zip(names, videos, strict=True)]


def frames_of_rank(frames: int, rank: int, world: int) -> range:
    """Return which of ``frames`` frames a rank predicts: consecutive ones, so that each rank seeks only once.

    The parts of all ranks cover all frames and differ in length by at most one.
    """
    return range(frames * rank // world, frames * (rank + 1) // world)


def split_for_decoders(frames: range, index: VideoIndex, threads: int) -> list[range]:
    """Split ``frames`` into consecutive parts for at most ``threads`` decoders that run at once.

    A video without an index of timestamps cannot be sought, so it is decoded as a single part.
    """
    count = max(1, min(threads, len(frames) // _FEWEST_FRAMES_PER_DECODER)) if index.seekable else 1
    parts = [frames_of_rank(len(frames), part, count) for part in range(count)]
    return [frames[part.start : part.stop] for part in parts]
