"""Files that Lightning Pose's tools read, and that are read again only for the same weights and the same video."""

import numpy as np
import pandas as pd
import pytest

from posefleet_trainer.dataset.pose_subspaces import PoseSpaces
from posefleet_trainer.dataset.prepared import LabelledFrame
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.prediction.csv_files import (
    VideoFiles,
    read_poses,
    write_errors,
    write_frame_results,
    write_pca_errors,
    write_poses,
)
from posefleet_trainer.prediction.results import FrameResults, PcaErrors, Poses, PredictedVideo, video_results
from posefleet_trainer.store.folder import FolderStore
from unit.trainer.prediction.test_videos import a_video

KEYPOINTS = ["nose", "tail"]


def some_poses(frames: int = 3) -> Poses:
    random = np.random.default_rng(0)
    points = random.uniform(-5, 300, (frames, 2, 2)).astype(np.float32)
    return Poses(points, random.uniform(0, 1, (frames, 2)).astype(np.float32))


def test_pandas_reads_predictions_as_lightning_pose_does(tmp_path):
    poses = some_poses()
    write_poses(tmp_path / "vid.csv", KEYPOINTS, range(3), poses)
    table = pd.read_csv(tmp_path / "vid.csv", header=[0, 1, 2], index_col=0)
    assert list(table.columns.get_level_values("bodyparts").unique()) == KEYPOINTS
    assert table[("posefleet", "tail", "y")].to_numpy() == pytest.approx(poses.points[:, 1, 1], abs=1e-3)
    assert table[("posefleet", "nose", "likelihood")].to_numpy() == pytest.approx(poses.confidence[:, 0], abs=1e-3)


def test_labelled_frames_have_a_last_column_for_their_set(tmp_path):
    index, sets = ["a.png", "b.png", "c.png"], ["train", "test", "validation"]
    write_poses(tmp_path / "predictions.csv", KEYPOINTS, index, some_poses(), sets)
    table = pd.read_csv(tmp_path / "predictions.csv", header=[0, 1, 2], index_col=0)
    assert table.columns[-1][0] == "set"
    assert list(table.iloc[:, -1]) == ["train", "test", "validation"]


def test_predictions_survive_the_way_through_the_file(tmp_path):
    poses = some_poses()
    write_poses(tmp_path / "vid.csv", KEYPOINTS, range(3), poses)
    read = read_poses(tmp_path / "vid.csv", 2)
    assert read.points == pytest.approx(poses.points, abs=1e-3)
    assert read.confidence == pytest.approx(poses.confidence, abs=1e-3)


def test_a_long_video_is_read_piece_by_piece(tmp_path):
    poses = Poses(np.arange(9000 * 4, dtype=np.float32).reshape(9000, 2, 2), np.full((9000, 2), 0.5, np.float32))
    write_poses(tmp_path / "vid.csv", KEYPOINTS, range(9000), poses)
    read = read_poses(tmp_path / "vid.csv", 2)
    assert np.array_equal(read.points, poses.points)
    assert np.array_equal(read.confidence, poses.confidence)


def test_a_file_of_other_keypoints_is_not_taken(tmp_path):
    write_poses(tmp_path / "vid.csv", KEYPOINTS, range(3), some_poses())
    with pytest.raises(ValueError, match="dimension"):
        read_poses(tmp_path / "vid.csv", 3)


def test_frames_with_labels_of_their_own_are_written_apart(tmp_path):
    names = ["a.png", "b.png", "new.png", "test.png"]
    sets = ["train", "validation", "outOfDistribution", "heldOut"]
    frames = [LabelledFrame(path=name, width=9, height=9, points=[[1.0, 1.0]] * 2, set="labelled") for name in names]
    results = FrameResults(frames, sets, some_poses(4), np.zeros((4, 2), np.float32), None, None)
    write_frame_results(FolderStore(tmp_path / "out"), KEYPOINTS, results, tmp_path / "cache")
    written = {
        path.stem: pd.read_csv(path, header=[0, 1, 2], index_col=0).index.to_list()
        for path in (tmp_path / "out/predictions").glob("*.csv")
        if "error" not in path.stem
    }
    assert written == {"predictions": names[:2], "predictions_new": ["new.png"], "predictions_test": ["test.png"]}
    assert (tmp_path / "out/predictions/predictions_test_pixel_error.csv").exists()


def test_missing_errors_are_empty(tmp_path):
    pixels = np.array([[1.5, np.nan]], dtype=np.float32)
    write_errors(tmp_path / "errors.csv", KEYPOINTS, ["a.png"], pixels, ["test"])
    assert (tmp_path / "errors.csv").read_bytes() == b",nose,tail,set\na.png,1.5000,,test\n"


def test_pca_errors_name_the_keypoints_of_their_plane(tmp_path):
    errors = PcaErrors([1, 0], np.array([[1.0, 2.0]], dtype=np.float32), 3.0)
    write_pca_errors(tmp_path / "errors.csv", KEYPOINTS, [0], errors)
    assert (tmp_path / "errors.csv").read_bytes() == b",tail,nose\n0,1.0000,2.0000\n"


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
    assert np.array_equal(files.read_poses(PREDICTED).points, POSES.points)
    assert np.array_equal(files.read_poses(PREDICTED).confidence, POSES.confidence)
    names = {stored.key.removeprefix("predictions/video_preds/") for stored in output.list()}
    assert names == {"a.csv", "a_temporal_norm.csv", "a.json"}
    assert not list((tmp_path / "cache" / "scratch").iterdir())


def test_files_of_other_weights_or_another_content_are_not_complete(files, output):
    assert files.are_complete("w" * 64, PREDICTED)
    assert not files.are_complete("v" * 64, PREDICTED)
    changed = PREDICTED.video.source.model_copy(update={"etag": "other"})
    other = PredictedVideo("a", PREDICTED.video.model_copy(update={"source": changed}))
    assert not files.are_complete("w" * 64, other)
    output.delete(CSV)
    assert not files.are_complete("w" * 64, PREDICTED)


def test_a_file_that_was_deleted_or_changed_is_named(files, output):
    output.write(CSV, output.read(CSV).rsplit(b"\n", 2)[0] + b"\n")
    with pytest.raises(
        InvalidInput,
        match=r"a\.csv is missing or was changed .*\(it has 9 frames, the video 10\); delete it",
    ):
        files.read_poses(PREDICTED)
    output.write(CSV, b"x\nx\nx\n0,a,b,c\n")
    with pytest.raises(InvalidInput, match=r"a\.csv is missing or was changed after it was written"):
        files.read_poses(PREDICTED)
    output.delete(CSV)
    with pytest.raises(InvalidInput, match=r"a\.csv is missing or was changed .*\(there is no such object\)"):
        files.read_poses(PREDICTED)
