"""Predicting the videos: every rank takes a stretch of each, and all of them know the whole."""

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from posefleet_api.base import ApiModel
from posefleet_trainer.context import Context
from posefleet_trainer.dataset.blobs import read_record, write_record
from posefleet_trainer.dataset.pose_spaces import PoseSpaces
from posefleet_trainer.dataset.prepared import Video
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.evaluation.csv_format import errors_csv, pca_errors_csv, poses_csv, read_poses
from posefleet_trainer.evaluation.inference import predict_frames
from posefleet_trainer.evaluation.measures import pca_errors, temporal_norm
from posefleet_trainer.evaluation.results import Poses, VideoResults
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.training.collectives import from_all, from_first
from posefleet_trainer.training.scratch import scratch_folder
from posefleet_trainer.video.container import UnreadableVideo
from posefleet_trainer.video.decode import read_frames
from posefleet_trainer.video.index import VideoIndex

FOLDER = "predictions/video_preds"


class VideoManifest(ApiModel):
    """Written after a video's files: which model predicted which content."""

    weights_sha256: str
    source_etag: str
    frames: int


def video_names(videos: Sequence[Video]) -> list[str]:
    """The name of each video's files: its stem, or its path where two have the same stem."""
    paths = [PurePosixPath(video.source.path) for video in videos]
    stems = [path.stem for path in paths]
    return [path.stem if stems.count(path.stem) == 1 else "_".join(path.parts).replace(".", "_") for path in paths]


def share(frames: int, rank: int, world: int) -> range:
    """The stretch of a video that belongs to a rank: consecutive frames, so that each rank seeks once."""
    return range(frames * rank // world, frames * (rank + 1) // world)


class VideoPredictor:
    """Predicts videos with one model; all ranks call it together."""

    def __init__(self, context: Context, model: TrainedModel, spaces: PoseSpaces, cache: NodeCache) -> None:
        self._context = context
        self._model = model
        self._spaces = spaces
        self._cache = cache

    def predict(self, name: str, video: Video, done: Callable[[int], None]) -> VideoResults:
        """The video's poses; rank 0 has written them to the output folder.

        A video that an earlier attempt has predicted with the same weights is read from there.
        """
        poses = self._known(name, video)
        if poses is None:
            mine = self._predict_share(video, done)
            poses = Poses.joined(from_all(mine))
            results = self._results(name, video, poses)
            if self._context.rank.index == 0:
                write_video_results(self._context.output, self._model, results)
            return results
        return self._results(name, video, poses)

    def _known(self, name: str, video: Video) -> Poses | None:
        known = self._read_known(name, video) if self._context.rank.index == 0 else None
        shared: Poses | None = from_first(known)
        return shared

    def _read_known(self, name: str, video: Video) -> Poses | None:
        output = self._context.output
        manifest = read_record(output, f"{FOLDER}/{name}.json", VideoManifest)
        wanted = VideoManifest(weights_sha256=self._model.sha256, source_etag=video.source.etag, frames=video.frames)
        stored = output.find(f"{FOLDER}/{name}.csv")
        if manifest != wanted or stored is None:
            return None
        with scratch_folder(self._context.cache_directory) as folder:
            output.download(stored, folder / "poses.csv")
            poses = read_poses(folder / "poses.csv", len(self._model.keypoints))
        return poses if len(poses) == video.frames else None

    def _predict_share(self, video: Video, done: Callable[[int], None]) -> Poses:
        source, stored = video.source, video.index
        path = self._cache.fetch(self._context.project, source.path, source.size_bytes, source.etag)
        index_path = self._cache.fetch(self._context.prepared, stored.key, stored.size_bytes, stored.sha256)
        mine = share(video.frames, self._context.rank.index, self._context.rank.world)
        size = (self._model.image_size.height, self._model.image_size.width)
        try:
            frames = read_frames(path, VideoIndex.load(index_path), mine.start, mine.stop, size)
            return predict_frames(self._model, frames, Grid(video.height, video.width), done)
        except UnreadableVideo as error:
            raise InvalidInput(f"{self._context.project.uri}{error}") from error
        finally:
            self._cache.release(index_path)
            self._cache.release(path)

    def _results(self, name: str, video: Video, poses: Poses) -> VideoResults:
        return VideoResults(
            name=name,
            video=video,
            poses=poses,
            temporal_norm=temporal_norm(poses.points),
            single_view=pca_errors(self._spaces.single_view, poses),
            multi_view=pca_errors(self._spaces.multi_view, poses),
        )


def write_video_results(output: Store, model: TrainedModel, results: VideoResults) -> None:
    """The video's CSV files, then the manifest that says they are whole."""
    keypoints, frames = model.keypoints, range(len(results.poses))
    files = {
        f"{results.name}.csv": poses_csv(keypoints, frames, results.poses),
        f"{results.name}_temporal_norm.csv": errors_csv(keypoints, frames, results.temporal_norm, None),
    }
    for kind, errors in (("singleview", results.single_view), ("multiview", results.multi_view)):
        if errors is not None:
            files[f"{results.name}_pca_{kind}_error.csv"] = pca_errors_csv(keypoints, frames, errors)
    for file, content in files.items():
        output.write(f"{FOLDER}/{file}", content, "text/csv")
    manifest = VideoManifest(
        weights_sha256=model.sha256, source_etag=results.video.source.etag, frames=results.video.frames
    )
    write_record(output, f"{FOLDER}/{results.name}.json", manifest)
