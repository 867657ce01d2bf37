"""Predicting the videos: every rank takes a stretch of each, and the first writes the whole."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path, PurePosixPath

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.pose_subspaces import PoseSpaces
from posefleet_trainer.dataset.prepared import Video
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.gang.collectives import from_first, to_first
from posefleet_trainer.gang.determinism import compute_threads
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.prediction.csv_files import VideoFiles
from posefleet_trainer.prediction.inference import predict_frames
from posefleet_trainer.prediction.results import Poses, PredictedVideo, video_results
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.video.container import UnreadableVideo
from posefleet_trainer.video.decode import read_frames
from posefleet_trainer.video.index import VideoIndex

#: A decoder begins at a key frame: shorter stretches would decode more frames than they are for.
_SHORTEST_STRETCH = 512


def predicted_videos(videos: Sequence[Video]) -> list[PredictedVideo]:
    """Each with the name of its files: its stem, or its path where two have the same stem."""
    paths = [PurePosixPath(video.source.path) for video in videos]
    stems = [path.stem for path in paths]
    names = [path.stem if stems.count(path.stem) == 1 else "_".join(path.parts).replace(".", "_") for path in paths]
    return [PredictedVideo(name, video) for name, video in zip(names, videos, strict=True)]


def share(frames: int, rank: int, world: int) -> range:
    """The stretch of a video that belongs to a rank: consecutive frames, so that each rank seeks once."""
    return range(frames * rank // world, frames * (rank + 1) // world)


def stretches(frames: range, index: VideoIndex, threads: int) -> list[range]:
    """``frames`` in consecutive parts for at most ``threads`` decoders; one part where the video cannot be sought."""
    parts = min(threads, len(frames) // _SHORTEST_STRETCH) if index.seekable else 1
    places = [share(len(frames), part, max(1, parts)) for part in range(max(1, parts))]
    return [frames[place.start : place.stop] for place in places]


class VideoPredictor:
    """Predicts videos with one model; all ranks call it together."""

    def __init__(self, context: Context, model: TrainedModel, spaces: PoseSpaces, cache: NodeCache) -> None:
        self._context = context
        self._model = model
        self._spaces = spaces
        self._cache = cache
        self._files = VideoFiles(context.output, context.cache_directory, model.keypoints)

    def predict(self, predicted: PredictedVideo, done: Callable[[int], None]) -> None:
        """Write the video's files to the output folder, unless an earlier attempt has with the same weights."""
        first = self._context.rank.index == 0
        if from_first(first and self._files.are_whole(self._model.sha256, predicted)):
            return
        parts = to_first(self._predict_share(predicted.video, done))
        if first:
            self._files.write(self._model.sha256, predicted, video_results(Poses.joined(parts), self._spaces))

    def _predict_share(self, video: Video, done: Callable[[int], None]) -> Poses:
        source, stored = video.source, video.index
        path = self._cache.fetch(self._context.project, source.path, source.size_bytes, source.etag)
        index_path = self._cache.fetch(self._context.prepared, stored.key, stored.size_bytes, stored.sha256)
        try:
            return self._predict_file(path, VideoIndex.load(index_path), video, done)
        except UnreadableVideo as error:
            raise InvalidInput(f"{self._context.project.uri}{error}") from error
        finally:
            self._cache.release(index_path)
            self._cache.release(path)

    def _predict_file(self, path: Path, index: VideoIndex, video: Video, done: Callable[[int], None]) -> Poses:
        rank = self._context.rank
        mine = share(video.frames, rank.index, rank.world)
        threads = compute_threads(self._context.job.spec.resources.cpus_per_node, rank.local_world)
        size = (self._model.image_size.height, self._model.image_size.width)
        with ExitStack() as held:
            frames = [
                held.enter_context(closing(read_frames(path, index, part.start, part.stop, size)))
                for part in stretches(mine, index, threads)
            ]
            return predict_frames(self._model, frames, Grid(video.height, video.width), done)
