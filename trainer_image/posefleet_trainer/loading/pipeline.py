"""The parts that the DALI pipelines of frames and of clips share: work ahead in threads, augmentation, transfer."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import torch
import torch.utils.dlpack
from nvidia.dali import fn
from nvidia.dali.pipeline import Pipeline
from nvidia.dali.types import Constant, DALIDataType, DALIInterpType

from posefleet_trainer.loading.augmentation import Augmentation, inverse, with_corner_origin
from posefleet_trainer.models.network import PIXEL_MEAN, PIXEL_STD

Device = Literal["cpu", "gpu"]
Produced = TypeVar("Produced")

#: How many inputs ``augmentation_inputs`` returns.
AUGMENTATION_INPUTS = 7
#: Grey level of dropped rectangles.
_DROPPED_GREY = 128
#: Batches that DALI computes ahead.
_QUEUE_DEPTH = 2


class LookAhead(Generic[Produced]):
    """Computes ``produce(first)``, ``produce(first + 1)``, … in threads and returns one result per call, in order.

    An exception in ``produce`` is raised by the call that would have returned its result.

    Args:
        produce: computes the result of a number.
        first: the number of the first call.
        threads: threads that compute.
        depth: results that are computed or waiting beyond the one that a call returns.
    """

    def __init__(self, produce: Callable[[int], Produced], first: int, *, threads: int, depth: int) -> None:
        self._produce = produce
        self._next = first
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._waiting: deque[Future[Produced]] = deque()
        self._depth = depth

    def __call__(self) -> Produced:
        """Return the next result, waiting for it if need be."""
        while len(self._waiting) <= self._depth:
            self._waiting.append(self._pool.submit(self._produce, self._next))
            self._next += 1
        return self._waiting.popleft().result()

    def close(self) -> None:
        """Wait for the work in progress, and drop work that has not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def new_pipeline(batch_size: int, threads: int, device_id: int | None) -> Pipeline:
    """Return an empty pipeline that computes batches ahead, on CUDA device ``device_id`` or (None) on the CPU."""
    return Pipeline(
        batch_size=batch_size, num_threads=threads, device_id=device_id, prefetch_queue_depth=_QUEUE_DEPTH, seed=0
    )


def augmentation_inputs(augmentations: Sequence[Augmentation]) -> tuple[list[Any], ...]:
    """Return the inputs of ``augment_frames`` for a batch: one list per input, with one array per sample."""
    return (
        [inverse(with_corner_origin(a.matrix)).astype(np.float32) for a in augmentations],
        [np.float32(a.brightness) for a in augmentations],
        [np.float32(a.contrast) for a in augmentations],
        [np.float32(a.noise) for a in augmentations],
        [a.noise_place.astype(np.int32) for a in augmentations],
        [a.dropped_anchors.astype(np.float32).reshape(-1) for a in augmentations],
        [a.dropped_shapes.astype(np.float32).reshape(-1) for a in augmentations],
    )


def augment_frames(frames: Any, inputs: Sequence[Any], device: Device, noise: np.ndarray, *, layout: str) -> Any:
    """Add the operators that augment and normalise frames to the pipeline that is being built.

    Args:
        frames: node of frames as RGB bytes, of the network's image size.
        inputs: nodes of ``augmentation_inputs``.
        device: where the operators run.
        noise: ``noise_bank`` of the frames' size.
        layout: ``HWC`` for single frames, ``FHWC`` for clips, whose frames are augmented alike.

    Returns:
        Node of augmented, normalised frames, float32, in the same layout.
    """
    matrix, brightness, contrast, sigma, place, anchors, shapes = inputs
    frames = fn.warp_affine(
        frames, matrix=matrix, inverse_map=True, fill_value=0, interp_type=DALIInterpType.INTERP_LINEAR
    )
    frames = fn.brightness_contrast(frames, brightness=brightness, contrast=contrast)
    frames = fn.erase(frames, anchor=anchors, shape=shapes, axis_names="HW", fill_value=_DROPPED_GREY)
    bank = Constant(noise, device=device)
    grain = fn.slice(bank, start=place, shape=[side // 2 for side in noise.shape[:2]], axes=[0, 1])
    spread = sigma.gpu() if device == "gpu" else sigma
    return fn.crop_mirror_normalize(
        frames + grain * spread,
        dtype=DALIDataType.FLOAT,
        output_layout=layout,
        mean=list(PIXEL_MEAN),
        std=list(PIXEL_STD),
    )


def to_torch(outputs: Any) -> torch.Tensor:
    """Copy a batch that DALI computed into a tensor on the same device; DALI reuses its own memory."""
    shared: torch.Tensor = torch.utils.dlpack.from_dlpack(outputs.as_tensor())
    return shared.clone()
