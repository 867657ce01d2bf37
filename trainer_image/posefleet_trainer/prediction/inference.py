"""Inference on a stream of frames: threads decode while the network computes."""

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
from posefleet_trainer.video.decode import Image

BATCH_SIZE = 32
#: How many batches each decoding thread prepares before the network asks for them.
_BATCHES_AHEAD = 3

Batch = NDArray[np.uint8]
"""(frame, height, width, 3), RGB."""
BatchQueue = queue.Queue[Batch | BaseException | None]
"""Batches, then the error that ended them, or None at the regular end."""


def predict_frames(
    model: TrainedModel, parts: Sequence[Iterable[Image]], source: Grid, count_frames: Callable[[int], None]
) -> Poses:
    """Predict frames (height, width, 3) that have the size of the model's input.

    Args:
        parts: Consecutive parts of the frames; each is decoded by a thread of its own.
        source: The size that the points of the result refer to.
        count_frames: Is called with the number of frames in each batch; it may raise to stop.

    Returns:
        The poses in pixels of ``source``, in the order of the parts.
    """
    poses = [[Poses.empty(len(model.keypoints))] for _ in parts]
    with ExitStack() as stack:
        decoded = [stack.enter_context(closing(_read_ahead(_batches(frames)))) for frames in parts]
        for part, batch in _round_robin(decoded):
            points, confidence = model.predict(batch)
            poses[part].append(Poses(between(points, model.image_size, source).astype(np.float32), confidence))
            FRAMES.labels("predict").inc(len(batch))
            count_frames(len(batch))
    return Poses.concatenate([each for part in poses for each in part])


def _batches(frames: Iterable[Image]) -> Iterator[Batch]:
    """Stack frames to batches; the last one may be smaller."""
    frames = iter(frames)
    while batch := list(islice(frames, BATCH_SIZE)):
        yield np.stack(batch)


def _round_robin(parts: Sequence[Iterator[Batch]]) -> Iterator[tuple[int, Batch]]:
    """Yield (number of the part, batch): one batch of each part in turn, until all parts have ended."""
    unfinished = dict(enumerate(parts))
    while unfinished:
        for part, batches in list(unfinished.items()):
            batch = next(batches, None)
            if batch is None:
                del unfinished[part]
            else:
                yield part, batch


def _read_ahead(batches: Iterator[Batch]) -> Generator[Batch, None, None]:
    """Yield the same batches, made by a thread that is a few of them ahead. An error in the thread is raised here."""
    ready: BatchQueue = queue.Queue(_BATCHES_AHEAD)
    cancelled = threading.Event()
    worker = threading.Thread(target=_fill, args=(batches, ready, cancelled), name="decode", daemon=True)
    worker.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        cancelled.set()
        while worker.is_alive():
            # The thread may wait for room in the queue.
            _drop_one(ready)
            worker.join(timeout=0.01)


def _fill(batches: Iterator[Batch], ready: BatchQueue, cancelled: threading.Event) -> None:
    last: BaseException | None = None
    try:
        for batch in batches:
            if cancelled.is_set():
                return
            ready.put(batch)
    except BaseException as error:  # noqa: BLE001, RUF100  it is raised where the batches are awaited
        last = error
    ready.put(last)


def _drop_one(ready: BatchQueue) -> None:
    try:
        ready.get_nowait()
    except queue.Empty:
        return
