"""What this machine can decode and augment on: asked once at the start, by doing it."""

import logging
from dataclasses import dataclass

import torch
from nvidia.dali import fn

from posefleet_trainer.loading.clips import ClipVideo, decoded_by_nvdec, packet_inputs
from posefleet_trainer.loading.graph import new_pipeline
from posefleet_trainer.models.coordinates import Grid

_log = logging.getLogger(__name__)
#: Frames of the clip that is decoded to see whether it can be.
_PROBED_FRAMES = 2


@dataclass(frozen=True)
class Devices:
    """Where samples are made: a CUDA device's number, or None for the CPU."""

    frames: int | None
    clips: int | None


def probe_devices(local_rank: int, video: ClipVideo | None, image: Grid) -> Devices:
    """The devices for this rank, with the reason in the log. ``video``: one of those that clips come from."""
    if not torch.cuda.is_available():
        _log.info("labelled frames and clips are decoded and augmented on the CPU: no CUDA device is visible")
        return Devices(None, None)
    if video is None:
        _log.info("labelled frames are decoded and augmented on GPU %d", local_rank)
        return Devices(local_rank, None)
    try:
        _decode_on_gpu(local_rank, video, image)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        _log.warning("clips are decoded on the CPU, because NVDEC of GPU %d does not decode: %s", local_rank, reason)
        return Devices(local_rank, None)
    _log.info("labelled frames and clips are decoded and augmented on GPU %d", local_rank)
    return Devices(local_rank, local_rank)


def _decode_on_gpu(device_id: int, video: ClipVideo, image: Grid) -> None:
    pipeline = new_pipeline(1, threads=1, device_id=device_id)
    with pipeline:
        source = [packet_inputs(video, 0, _PROBED_FRAMES)]
        packets, start = fn.external_source(source=source, num_outputs=2, cycle=True)
        pipeline.set_outputs(decoded_by_nvdec(packets, start, _PROBED_FRAMES, image))
    pipeline.build()
    (frames,) = pipeline.run()
    if frames.as_tensor().shape()[1] != _PROBED_FRAMES:
        raise RuntimeError("frames are missing from what it decodes")
