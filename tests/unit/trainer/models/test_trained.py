from pathlib import Path

import numpy as np
import pytest
import torch

from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.models.network import PoseNetwork
from posefleet_trainer.models.trained import TrainedModel, weights_sha256


def a_model() -> TrainedModel:
    torch.manual_seed(0)
    network = PoseNetwork("mobilenetv3_small", Grid(64, 64), 2)
    return TrainedModel(network, "mobilenetv3_small", ["nose", "tail"], Grid(64, 64), [{"step": 3, "losses": {}}])


def test_a_model_is_the_same_after_a_file(tmp_path: Path):
    model = a_model()
    model.save(tmp_path / "model.pt")
    frames = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)

    again = TrainedModel.load(tmp_path / "model.pt")

    assert again.sha256 == model.sha256
    assert (again.keypoints, again.image_size, again.history) == (model.keypoints, model.image_size, model.history)
    for was, is_now in zip(model.predict(frames), again.predict(frames), strict=True):
        assert np.array_equal(was, is_now)


def test_points_are_image_pixels_and_confidence_a_share():
    points, confidence = a_model().predict(np.zeros((5, 64, 64, 3), dtype=np.uint8))
    assert points.shape == (5, 2, 2)
    assert points.dtype == confidence.dtype == np.float32
    assert (points >= -0.5).all()
    assert (points <= 63.5).all()
    assert ((confidence >= 0) & (confidence <= 1)).all()


def test_a_file_that_would_run_code_is_refused(tmp_path: Path):
    torch.save({"format": Path("/")}, tmp_path / "model.pt")
    with pytest.raises(Exception, match=r"weights_only|Unsupported"):
        TrainedModel.load(tmp_path / "model.pt")


def test_other_files_are_refused(tmp_path: Path):
    torch.save({"weights": {}}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="not a model"):
        TrainedModel.load(tmp_path / "model.pt")


def test_the_fingerprint_sees_one_changed_bit_and_no_order():
    state = {"b": torch.zeros(3), "a": torch.ones(2, 2)}
    same = {"a": torch.ones(2, 2), "b": torch.zeros(3)}
    changed = {"b": torch.tensor([0.0, -0.0, 0.0]), "a": torch.ones(2, 2)}
    assert weights_sha256(state) == weights_sha256(same)
    assert weights_sha256(state) != weights_sha256(changed)
