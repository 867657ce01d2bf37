"""Work done ahead in threads, handed out in order."""

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

Produced = TypeVar("Produced")


class LookAhead(Generic[Produced]):
    """``produce(first)``, ``produce(first + 1)``, …: computed up to ``depth`` ahead, returned one a call, in order.

    What ``produce`` raises is raised by the call that would have returned its result.
    """

    def __init__(self, produce: Callable[[int], Produced], first: int, *, threads: int, depth: int) -> None:
        self._produce = produce
        self._next = first
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._waiting: deque[Future[Produced]] = deque()
        self._depth = depth

    def __call__(self) -> Produced:
        """The next result."""
        while len(self._waiting) <= self._depth:
            self._waiting.append(self._pool.submit(self._produce, self._next))
            self._next += 1
        return self._waiting.popleft().result()

    def close(self) -> None:
        """Stop; work that has not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def to_torch(outputs: Any) -> torch.Tensor:
    """A copy of a batch that DALI computed, on the device where it lies; DALI uses its own memory again."""
    shared: torch.Tensor = torch.utils.dlpack.from_dlpack(outputs.as_tensor())
    return shared.clone()


Device = Literal["cpu", "gpu"]
#: Grey of dropped rectangles.
_DROPPED_GREY = 128
#: Batches that DALI computes ahead.
_QUEUE_DEPTH = 2

#: How many inputs ``parameters`` gives.
PARAMETERS = 7


def parameters(augmentations: Sequence[Augmentation]) -> tuple[list[Any], ...]:
    """The inputs of ``varied`` for a batch: one list a parameter, one array a sample."""
    return (
        [inverse(with_corner_origin(a.matrix)).astype(np.float32) for a in augmentations],
        [np.float32(a.brightness) for a in augmentations],
        [np.float32(a.contrast) for a in augmentations],
        [np.float32(a.noise) for a in augmentations],
        [a.noise_place.astype(np.int32) for a in augmentations],
        [a.dropped_anchors.astype(np.float32).reshape(-1) for a in augmentations],
        [a.dropped_shapes.astype(np.float32).reshape(-1) for a in augmentations],
    )


def varied(frames: Any, inputs: Sequence[Any], device: Device, noise: np.ndarray, *, layout: str) -> Any:
    """The node of augmented, normalised frames, float32, in the layout that came in (``HWC`` or ``FHWC``).

    Args:
        frames: the node of frames as bytes.
        inputs: the nodes of ``parameters``.
        device: where it is computed.
        noise: ``noise_bank`` of the frames' size.
        layout: of the frames.
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


def new_pipeline(batch_size: int, threads: int, device_id: int | None) -> Pipeline:
    """A pipeline that runs ahead; ``device_id`` None is for the CPU."""
    return Pipeline(
        batch_size=batch_size, num_threads=threads, device_id=device_id, prefetch_queue_depth=_QUEUE_DEPTH, seed=0
    )
