"""A predicted video's files in the output folder: CSV files, and a record that says they are whole."""

from collections.abc import Sequence
from pathlib import Path

from posefleet_api.base import ApiModel
from posefleet_trainer.dataset.blobs import read_record, write_record
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.evaluation.csv_format import read_poses, write_errors, write_pca_errors, write_poses
from posefleet_trainer.evaluation.results import Poses, PredictedVideo, VideoResults
from posefleet_trainer.store.base import Store
from posefleet_trainer.training.scratch import scratch_folder

FOLDER = "predictions/video_preds"


class VideoManifest(ApiModel):
    """Written after a video's files: which model predicted which content."""

    weights_sha256: str
    source_etag: str
    frames: int

    @classmethod
    def of(cls, weights_sha256: str, predicted: PredictedVideo) -> "VideoManifest":
        """What it must say if the files of ``predicted`` are of these weights."""
        video = predicted.video
        return cls(weights_sha256=weights_sha256, source_etag=video.source.etag, frames=video.frames)


class VideoFiles:
    """Writes and reads them, through a scratch file of one video at a time under ``cache_directory``."""

    def __init__(self, output: Store, cache_directory: Path, keypoints: Sequence[str]) -> None:
        self._output = output
        self._cache_directory = cache_directory
        self._keypoints = keypoints

    def are_whole(self, weights_sha256: str, predicted: PredictedVideo) -> bool:
        """Whether an earlier attempt has predicted this video with the same weights."""
        manifest = read_record(self._output, _key(predicted, ".json"), VideoManifest)
        whole = manifest == VideoManifest.of(weights_sha256, predicted)
        return whole and self._output.find(_key(predicted, ".csv")) is not None

    def write(self, weights_sha256: str, predicted: PredictedVideo, results: VideoResults) -> None:
        """The CSV files, then the manifest."""
        keypoints, frames = self._keypoints, range(len(results.poses))
        planes = (("singleview", results.single_view), ("multiview", results.multi_view))
        with scratch_folder(self._cache_directory) as folder:
            write_poses(folder / ".csv", keypoints, frames, results.poses)
            write_errors(folder / "_temporal_norm.csv", keypoints, frames, results.temporal_norm)
            for kind, errors in planes:
                if errors is not None:
                    write_pca_errors(folder / f"_pca_{kind}_error.csv", keypoints, frames, errors)
            for file in sorted(folder.iterdir()):
                self._output.upload(file, _key(predicted, file.name), "text/csv")
        write_record(self._output, _key(predicted, ".json"), VideoManifest.of(weights_sha256, predicted))

    def poses(self, predicted: PredictedVideo) -> Poses:
        """What ``write`` wrote, rounded as the file has it.

        Raises:
            InvalidInput: the file is gone, or somebody changed it.
        """
        key = _key(predicted, ".csv")
        with scratch_folder(self._cache_directory) as folder:
            file = folder / "poses.csv"
            stored = self._output.find(key)
            try:
                if stored is None:
                    raise ValueError("no such object")
                self._output.download(stored, file)
                poses = read_poses(file, len(self._keypoints))
                if len(poses) != predicted.video.frames:
                    raise ValueError(f"{len(poses)} frames")
            except ValueError as error:
                raise InvalidInput(
                    f"{self._output.uri}{key} is not what was predicted ({error}); delete it and apply the job again"
                ) from error
        return poses


def _key(predicted: PredictedVideo, suffix: str) -> str:
    return f"{FOLDER}/{predicted.name}{suffix}"
