"""Decoding ahead of the network: order, errors, stopping."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.prediction.inference import BATCH_SIZE, predict_frames


class Recorder:
    """A model that finds the first pixel's value at the first pixel."""

    keypoints = ("only",)
    image_size = Grid(32, 32)

    def predict(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value = frames[:, 0, 0, 0].astype(np.float32)
        return np.stack([value, value], axis=-1)[:, None, :], np.ones((len(frames), 1), np.float32)


def frames(count: int, first: int = 0) -> Iterator[np.ndarray]:
    for number in range(first, first + count):
        yield np.full((32, 32, 3), number % 256, dtype=np.uint8)


def test_frames_keep_their_order_and_get_source_coordinates():
    counted: list[int] = []
    poses = predict_frames(Recorder(), [frames(70)], Grid(64, 64), counted.append)
    assert counted == [BATCH_SIZE, BATCH_SIZE, 70 - 2 * BATCH_SIZE]
    assert poses.points[:, 0, 0] == pytest.approx([(n + 0.5) * 2 - 0.5 for n in range(70)])


@pytest.mark.parametrize("lengths", [(35, 35), (70, 0), (10, 60), (64, 3, 3)])
def test_stretches_that_are_decoded_at_once_are_joined_in_their_order(lengths):
    firsts = [sum(lengths[:place]) for place in range(len(lengths))]
    stretches = [frames(count, first) for count, first in zip(lengths, firsts, strict=True)]
    poses = predict_frames(Recorder(), stretches, Grid(32, 32), lambda _: None)
    assert poses.points[:, 0, 0].tolist() == list(range(70))


def test_no_frames_give_no_poses():
    assert len(predict_frames(Recorder(), [frames(0)], Grid(64, 64), lambda _: None)) == 0


def test_an_error_of_the_decoder_is_raised():
    def broken() -> Iterator[np.ndarray]:
        yield from frames(40)
        raise OSError("damaged")

    with pytest.raises(OSError, match="damaged"):
        predict_frames(Recorder(), [frames(100), broken()], Grid(64, 64), lambda _: None)


def test_stopping_ends_the_decoding_thread():
    def stop(_: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        predict_frames(Recorder(), [frames(100_000), frames(100_000)], Grid(64, 64), stop)
    assert not [thread for thread in threading.enumerate() if thread.name == "decode"]
