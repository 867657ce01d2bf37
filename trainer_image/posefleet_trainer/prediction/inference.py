"""Frames through the network: threads decode while it computes."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.prediction.results import Poses
from posefleet_trainer.telemetry.metrics import FRAMES

FRAMES_AT_ONCE = 32
_BATCHES_AHEAD = 3

Frame = NDArray[np.uint8]


def predict_frames(
    model: TrainedModel, stretches: Sequence[Iterable[Frame]], source: Grid, done: Callable[[int], None]
) -> Poses:
    """Poses in source pixels of the frames (height, width, 3), which have the size of the model's images.

    A thread decodes each of ``stretches``; the poses come in their order, one stretch after the other. ``done`` is
    told how many frames each batch had, and may raise to stop.
    """
    parts = [[Poses.none(len(model.keypoints))] for _ in stretches]
    with ExitStack() as held:
        decoded = [held.enter_context(closing(_ahead(_batches(frames)))) for frames in stretches]
        for part, batch in _in_turn(decoded):
            points, confidence = model.predict(batch)
            parts[part].append(Poses(between(points, model.image_size, source).astype(np.float32), confidence))
            FRAMES.labels("predict").inc(len(batch))
            done(len(batch))
    return Poses.joined([poses for part in parts for poses in part])


def _in_turn(decoded: Sequence[Iterator[NDArray[np.uint8]]]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """One batch of each, then the next of each, until all have ended."""
    turns = dict(enumerate(decoded))
    while turns:
        for part, batches in list(turns.items()):
            batch = next(batches, None)
            if batch is None:
                del turns[part]
            else:
                yield part, batch


def _batches(frames: Iterable[Frame]) -> Iterator[NDArray[np.uint8]]:
    frames = iter(frames)
    while batch := list(islice(frames, FRAMES_AT_ONCE)):
        yield np.stack(batch)


def _ahead(batches: Iterator[NDArray[np.uint8]]) -> Generator[NDArray[np.uint8], None, None]:
    """The same batches, made by a thread that is a few of them ahead; its error is raised here."""
    ready: queue.Queue[NDArray[np.uint8] | BaseException | None] = queue.Queue(_BATCHES_AHEAD)
    unwanted = threading.Event()
    worker = threading.Thread(target=_fill, args=(batches, ready, unwanted), name="decode", daemon=True)
    worker.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        unwanted.set()
        while worker.is_alive():
            _drop_one(ready)
            worker.join(timeout=0.01)


def _fill(
    batches: Iterator[NDArray[np.uint8]],
    ready: "queue.Queue[NDArray[np.uint8] | BaseException | None]",
    unwanted: threading.Event,
) -> None:
    last: BaseException | None = None
    try:
        for batch in batches:
            if unwanted.is_set():
                return
            ready.put(batch)
    except BaseException as error:  # noqa: BLE001, RUF100  it belongs to whoever waits for the batches
        last = error
    ready.put(last)


def _drop_one(ready: "queue.Queue[NDArray[np.uint8] | BaseException | None]") -> None:
    try:
        ready.get_nowait()
    except queue.Empty:
        return
