"""Devices: whether a rank decodes and augments on its GPU or on the CPU.

A GPU augments whenever there is one. It decodes video only if its NVDEC does so on trial: some slices of a GPU (MIG)
have no decoder, and some containers lack the driver's video library.
"""

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from nvidia.dali import fn

from posefleet_trainer.errors import first_line
from posefleet_trainer.loading.clips import ClipVideo, decoded_by_nvdec, packet_inputs
from posefleet_trainer.loading.pipeline import new_pipeline
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.record.facts import DecodingFinding
from posefleet_trainer.video.index import build_index
from posefleet_trainer.video.proxy import write_frames

_log = logging.getLogger(__name__)
#: The clip that a GPU decodes on trial.
_FRAMES = 4
_FRAMES_PER_SECOND = 30


@dataclass(frozen=True)
class Devices:
    """Where samples are made: the number of a CUDA device, or None for the CPU."""

    frames: int | None
    """Where labelled frames are augmented."""
    clips: int | None
    """Where clips are decoded and augmented."""


def choose_devices(local_rank: int, image: Grid, *, has_clips: bool) -> Devices:
    """Choose the devices of the rank ``local_rank`` on its node, and log the reason."""
    if not torch.cuda.is_available():
        _log.info("labelled frames and clips are decoded and augmented on the CPU: no CUDA device is visible")
        return Devices(None, None)
    if not has_clips:
        _log.info("labelled frames are augmented on GPU %d", local_rank)
        return Devices(local_rank, None)
    found = probe_decoding(local_rank, image)
    if not found.decodes:
        _log.warning(
            "clips are decoded on the CPU, because NVDEC of GPU %d does not decode: %s", local_rank, found.reason
        )
        return Devices(local_rank, None)
    _log.info("clips are decoded, and labelled frames and clips augmented, on GPU %d", local_rank)
    return Devices(local_rank, local_rank)


@lru_cache
def probe_decoding(device_id: int, image: Grid) -> DecodingFinding:
    """Decode a few frames that are encoded as proxies are; the finding is kept until the process ends."""
    try:
        with TemporaryDirectory() as folder:
            _decode(device_id, grey_clip(Path(folder) / "clip.mp4", image), image)
    except RuntimeError as error:
        return DecodingFinding(decodes=False, reason=first_line(error))
    return DecodingFinding(decodes=True)


def grey_clip(path: Path, image: Grid) -> ClipVideo:
    """Write a clip of grey frames of the size ``image`` to ``path``, encoded as the proxies of prepare are."""
    frame = np.full((image.height, image.width, 3), 128, np.uint8)
    write_frames(path, [frame] * _FRAMES, (image.height, image.width), _FRAMES_PER_SECOND)
    return ClipVideo(path, build_index(path, path.name), path.name, image)


def _decode(device_id: int, video: ClipVideo, image: Grid) -> None:
    pipeline = new_pipeline(1, threads=1, device_id=device_id)
    with pipeline:
        source = [packet_inputs(video, 0, _FRAMES)]
        packets, start = fn.external_source(source=source, num_outputs=2, cycle=True)
        pipeline.set_outputs(decoded_by_nvdec(packets, start, _FRAMES, image))
    pipeline.build()
    (frames,) = pipeline.run()
    if frames.as_tensor().shape()[1] != _FRAMES:
        raise RuntimeError("frames are missing from what it decodes")
