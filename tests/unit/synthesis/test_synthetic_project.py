"""The folder is a Lightning Pose project, always the same one."""

import hashlib
import re
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest

from posefleet_synthesis.animal import KEYPOINTS
from posefleet_synthesis.main import main

FRAMES, SIZE = 8, 64


def write(directory: Path, *more: str) -> Path:
    few = ["--frames", str(FRAMES), "--size", str(SIZE), "--labels", "5", "--out-of-distribution", "2"]
    assert main([str(directory), *few, *more]) == 0
    return directory


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, header=[0, 1, 2], index_col=0)


def digests(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return write(tmp_path_factory.mktemp("project"), "--workers", "2")


def test_equal_options_write_equal_bytes_however_many_processes_work(project, tmp_path):
    assert digests(write(tmp_path, "--workers", "1")) == digests(project)


def test_the_labels_name_frames_that_exist(project):
    for name, count in (("CollectedData.csv", 5), ("CollectedData_new.csv", 2)):
        labels = read(project / name)
        assert len(labels) == count
        assert list(labels.columns.get_level_values("bodyparts")[::2]) == list(KEYPOINTS)
        for path in labels.index:
            assert cv2.imread(str(project / path)).shape == (SIZE, SIZE, 3)


def test_labels_lie_near_the_truth_of_their_frame(project):
    labels = read(project / "CollectedData.csv")
    for path, row in labels.iterrows():
        video, frame = re.fullmatch(r"labeled-data/(.+)/img(\d+)\.png", str(path)).groups()
        truth = read(project / "truth" / f"{video}.csv").loc[int(frame)]
        assert np.nanmax(np.abs(row.to_numpy() - truth.to_numpy())) < 1.0


def test_labelled_pictures_are_frames_of_their_video(project):
    path = str(read(project / "CollectedData.csv").index[0])
    video, frame = path.split("/")[1], int(path[-10:-4])
    with av.open(str(project / "videos" / f"{video}.mp4")) as container:
        frames = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    assert len(frames) == FRAMES
    assert np.array_equal(cv2.imread(str(project / path))[..., ::-1], frames[frame])


def test_the_last_video_has_truth_and_no_labels(project):
    assert {path.stem for path in (project / "videos").iterdir()} == {"run_1", "run_2", "run_3"}
    assert not (project / "labeled-data" / "run_3").exists()
    truth = read(project / "truth" / "run_3.csv")
    assert truth.shape == (FRAMES, 2 * len(KEYPOINTS))
    assert not truth.isna().any(axis=None)
    visible = pd.read_csv(project / "truth" / "run_3_visible.csv", index_col="frame")
    assert list(visible.columns) == list(KEYPOINTS)
    assert set(np.unique(visible)) <= {0, 1}


def test_a_folder_with_files_is_left_alone(project, capsys):
    before = digests(project)
    assert main([str(project)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert digests(project) == before


@pytest.mark.parametrize("option", [["--frames", "0"], ["--size", "66"], ["--seed", "-1"], ["--labels", "x"]])
def test_nonsense_is_refused_before_anything_is_written(tmp_path, option):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "new"), *option])
    assert not (tmp_path / "new").exists()


def test_a_project_in_a_store_lacks_the_truth(project, tmp_path):
    few = ["--frames", str(FRAMES), "--size", str(SIZE), "--labels", "5", "--out-of-distribution", "2"]
    assert main([f"file://{tmp_path}/stored/", *few, "--workers", "1"]) == 0
    here = {name: digest for name, digest in digests(project).items() if not name.startswith("truth/")}
    assert digests(tmp_path / "stored") == here
    assert len(here) < len(digests(project))


def test_a_store_that_needs_an_endpoint_says_so(capsys):
    few = ["--frames", "2", "--size", str(SIZE), "--labels", "2", "--out-of-distribution", "1"]
    assert main(["s3://bucket/project/", *few, "--workers", "1"]) == 78
    assert "storage.endpoint" in capsys.readouterr().err
