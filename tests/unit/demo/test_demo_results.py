"""Errors of predictions against the true poses of a synthetic project."""

import math
from pathlib import Path

import pytest

from posefleet_demo.results import median_pixel_error, truth_errors


def write_csv(path: Path, rows: list[str]) -> Path:
    head = ["scorer,me,me,me", "bodyparts,nose,nose,nose", "coords,x,y,likelihood"]
    path.write_text("\n".join([*head, *rows]) + "\n")
    return path


def test_the_error_is_the_median_distance(tmp_path):
    truth = write_csv(tmp_path / "truth.csv", ["0,0,0,1", "1,10,10,1", "2,20,20,1"])
    predicted = write_csv(tmp_path / "predicted.csv", ["0,3,4,0.9", "1,10,11,0.9", "2,20,20,0.9"])
    assert median_pixel_error(predicted, truth) == pytest.approx(1.0)


def test_frames_without_a_prediction_count_as_lost(tmp_path):
    truth = write_csv(tmp_path / "truth.csv", ["0,0,0,1", "1,10,10,1", "2,20,20,1"])
    predicted = write_csv(tmp_path / "predicted.csv", ["0,0,0,0.9"])
    assert math.isinf(median_pixel_error(predicted, truth))


def test_keypoints_without_truth_do_not_count(tmp_path):
    truth = write_csv(tmp_path / "truth.csv", ["0,,,", "1,10,10,1"])
    predicted = write_csv(tmp_path / "predicted.csv", ["0,99,99,0.9", "1,10,12,0.9"])
    assert median_pixel_error(predicted, truth) == pytest.approx(2.0)


def test_each_video_with_a_truth_is_measured(tmp_path):
    truths, predictions = tmp_path / "truth", tmp_path / "results" / "predictions" / "video_preds"
    truths.mkdir()
    predictions.mkdir(parents=True)
    write_csv(truths / "a.csv", ["0,0,0,1"])
    write_csv(truths / "a_visible.csv", ["0,0,0,1"])
    write_csv(predictions / "a.csv", ["0,3,4,0.9"])
    write_csv(predictions / "without_truth.csv", ["0,3,4,0.9"])
    assert truth_errors(truths, tmp_path / "results") == {"a": pytest.approx(5.0)}
