"""Where samples are made: on the GPU as far as it can, on the CPU else."""

import logging
from dataclasses import dataclass

import torch

from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.preflight.decoding import probe_decoding

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Devices:
    """Where samples are made: a CUDA device's number, or None for the CPU."""

    frames: int | None
    clips: int | None


def choose_devices(local_rank: int, image: Grid, *, has_clips: bool) -> Devices:
    """The devices for this rank, with the reason in the log."""
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
