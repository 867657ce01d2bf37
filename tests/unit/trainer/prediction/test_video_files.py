"""What is written of a video is what is read, and only of the same weights and content."""

import numpy as np
import pytest

from posefleet_trainer.dataset.pose_subspaces import PoseSpaces
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.prediction.csv_files import VideoFiles
from posefleet_trainer.prediction.results import Poses, PredictedVideo, video_results
from posefleet_trainer.store.folder import FolderStore
from unit.trainer.prediction.test_videos import a_video

KEYPOINTS = ["nose", "tail"]
PREDICTED = PredictedVideo("a", a_video("videos/a.mp4"))
POSES = Poses(np.arange(40, dtype=np.float32).reshape(10, 2, 2), np.full((10, 2), 0.25, np.float32))
CSV = "predictions/video_preds/a.csv"


@pytest.fixture
def output(tmp_path):
    return FolderStore(tmp_path / "output")


@pytest.fixture
def files(output, tmp_path):
    files = VideoFiles(output, tmp_path / "cache", KEYPOINTS)
    files.write("w" * 64, PREDICTED, video_results(POSES, PoseSpaces(None, None)))
    return files


def test_the_poses_are_read_as_they_were_written(files, output, tmp_path):
    assert np.array_equal(files.poses(PREDICTED).points, POSES.points)
    assert np.array_equal(files.poses(PREDICTED).confidence, POSES.confidence)
    names = {stored.key.removeprefix("predictions/video_preds/") for stored in output.list()}
    assert names == {"a.csv", "a_temporal_norm.csv", "a.json"}
    assert not list((tmp_path / "cache" / "scratch").iterdir())


def test_files_of_other_weights_or_another_content_are_not_whole(files, output):
    assert files.are_whole("w" * 64, PREDICTED)
    assert not files.are_whole("v" * 64, PREDICTED)
    changed = PREDICTED.video.source.model_copy(update={"etag": "other"})
    other = PredictedVideo("a", PREDICTED.video.model_copy(update={"source": changed}))
    assert not files.are_whole("w" * 64, other)
    output.delete(CSV)
    assert not files.are_whole("w" * 64, PREDICTED)


def test_a_file_that_was_deleted_or_changed_is_named(files, output):
    output.write(CSV, output.read(CSV).rsplit(b"\n", 2)[0] + b"\n")
    with pytest.raises(InvalidInput, match=r"a\.csv is not what was predicted \(9 frames\); delete it"):
        files.poses(PREDICTED)
    output.write(CSV, b"x\nx\nx\n0,a,b,c\n")
    with pytest.raises(InvalidInput, match=r"a\.csv is not what was predicted"):
        files.poses(PREDICTED)
    output.delete(CSV)
    with pytest.raises(InvalidInput, match=r"a\.csv is not what was predicted \(no such object\)"):
        files.poses(PREDICTED)
