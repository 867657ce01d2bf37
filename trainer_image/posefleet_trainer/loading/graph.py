"""The DALI operators that vary frames, the same for labelled frames and clips, on the CPU and on a GPU.

Every parameter is an input of the pipeline, and no operator draws numbers of its own: what comes out is a function of
what goes in, so a pipeline has no state to save.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from nvidia.dali import fn
from nvidia.dali.pipeline import Pipeline
from nvidia.dali.types import Constant, DALIDataType, DALIInterpType

from posefleet_trainer.loading.affine import inverse, with_corner_origin
from posefleet_trainer.loading.augmentation import Augmentation
from posefleet_trainer.models.network import PIXEL_MEAN, PIXEL_STD

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
