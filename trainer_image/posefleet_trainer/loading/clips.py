"""Loading of clips: consecutive frames of the unlabelled videos, decoded on the GPU or the CPU and augmented."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nvidia.dali import fn
from nvidia.dali.pipeline import Pipeline

from posefleet_trainer.loading.augmentation import clip_augmentation, inverse, noise_bank
from posefleet_trainer.loading.pipeline import (
    AUGMENTATION_INPUTS,
    Device,
    LookAhead,
    augment_frames,
    augmentation_inputs,
    new_pipeline,
    to_torch,
)
from posefleet_trainer.loading.sampler import ClipPlace, ClipSampler, Share
from posefleet_trainer.models.coordinates import Grid
from posefleet_trainer.video.decode import ClipReader
from posefleet_trainer.video.index import VideoIndex
from posefleet_trainer.video.packets import clip_packets

#: Clips that are decoded ahead of the step that needs them.
_STEPS_AHEAD = 3


@dataclass
class ClipBatch:
    """One clip of consecutive unlabelled frames, which are augmented alike."""

    images: torch.Tensor
    """(frame, 3, height, width), normalised, float32."""
    undo: torch.Tensor
    """(2, 3): the affine map from the augmented image's pixels back to the image's."""
    source_ratio: torch.Tensor
    """(xy): source pixels per image pixel."""
    file: str
    """Path of the video inside the project folder."""
    start: int
    """Number of the first frame in the video."""


@dataclass(frozen=True)
class ClipVideo:
    """The proxy of a video: a copy at the network's image size, on this node's disk."""

    path: Path
    index: VideoIndex
    """Index of the proxy's packets."""
    name: str
    """Path of the source video inside the project folder."""
    source: Grid
    """Size of the source video's frames."""


class ClipLoader:
    """Loads one augmented clip per step.

    Args:
        videos: the proxies that clips are drawn from.
        share: the clips of this rank, one per step.
        seed: of the training.
        first_step: the step of the first batch.
        clip_length: frames per clip.
        image: size of the images that the network reads.
        device_id: CUDA device that decodes and augments; None for the CPU.
        threads: CPU threads that read and decode.
    """

    def __init__(
        self,
        videos: Sequence[ClipVideo],
        share: Share,
        seed: int,
        first_step: int,
        *,
        clip_length: int,
        image: Grid,
        device_id: int | None,
        threads: int,
    ) -> None:
        self._videos = videos
        self._length = clip_length
        self._image = image
        self._share = share
        self._seed = seed
        self._sampler = ClipSampler([video.index.frames for video in videos], clip_length, seed)
        self._reader = ClipReader()
        self._step = first_step
        device: Device = "cpu" if device_id is None else "gpu"
        self._ahead = LookAhead(
            self._frames if device == "cpu" else self._packets, first_step, threads=threads, depth=_STEPS_AHEAD
        )
        self._pipeline = self._build(device, device_id, threads)

    def next_batch(self) -> ClipBatch:
        """Return the clip of the next step."""
        (frames,) = self._pipeline.run()
        sample, place = self._clip_of(self._step)
        self._step += 1
        video = self._videos[place.video]
        augmentation = clip_augmentation(self._seed, sample, self._image)
        return ClipBatch(
            images=to_torch(frames).squeeze(0).permute(0, 3, 1, 2),
            undo=torch.from_numpy(inverse(augmentation.matrix).astype(np.float32)),
            source_ratio=torch.tensor(self._image.ratio_to(video.source)),
            file=video.name,
            start=place.start,
        )

    def close(self) -> None:
        """Stop reading and decoding ahead."""
        self._ahead.close()

    def _clip_of(self, step: int) -> tuple[int, ClipPlace]:
        (sample,) = self._share.samples(step)
        return sample, self._sampler.clip(sample)

    def _build(self, device: Device, device_id: int | None, threads: int) -> Pipeline:
        image = self._image
        pipeline = new_pipeline(1, threads, device_id)
        with pipeline:
            if device == "cpu":
                layout = ["FHWC"] + [""] * AUGMENTATION_INPUTS
                frames, *inputs = fn.external_source(
                    source=self._ahead, num_outputs=1 + AUGMENTATION_INPUTS, layout=layout
                )
            else:
                packets, start, *inputs = fn.external_source(source=self._ahead, num_outputs=2 + AUGMENTATION_INPUTS)
                frames = decoded_by_nvdec(packets, start, self._length, image)
            noise = noise_bank(self._seed, image)
            pipeline.set_outputs(augment_frames(frames, inputs, device, noise, layout="FHWC"))
        pipeline.build()
        return pipeline

    def _frames(self, step: int) -> tuple[list[Any], ...]:
        sample, place = self._clip_of(step)
        video = self._videos[place.video]
        size = (self._image.height, self._image.width)
        frames = self._reader.clip(video.path, video.index, place.start, self._length, size)
        return [frames], *augmentation_inputs([clip_augmentation(self._seed, sample, self._image)])

    def _packets(self, step: int) -> tuple[list[Any], ...]:
        sample, place = self._clip_of(step)
        video = self._videos[place.video]
        packets, start = packet_inputs(video, place.start, self._length)
        return packets, start, *augmentation_inputs([clip_augmentation(self._seed, sample, self._image)])


def packet_inputs(video: ClipVideo, start: int, length: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the inputs of ``decoded_by_nvdec`` for the clip of ``length`` frames from frame ``start`` on."""
    packets, before = clip_packets(video.path, video.index, start, length)
    return [np.frombuffer(packets, dtype=np.uint8)], [np.array(before, dtype=np.int32)]


def decoded_by_nvdec(packets: Any, start: Any, length: int, image: Grid) -> Any:
    """Add the operators that decode a clip on the GPU (NVDEC) to the pipeline that is being built.

    Args:
        packets: node of the encoded packets.
        start: node of the number of decoded frames that precede the clip.
        length: frames per clip.
        image: size of the images that the network reads.

    Returns:
        Node of frames (frame, height, width, 3), RGB bytes of the size ``image``.
    """
    frames = fn.decoders.video(
        packets, device="mixed", start_frame=start, sequence_length=length, build_index=False, pad_mode="none"
    )
    return fn.resize(frames, resize_y=image.height, resize_x=image.width, antialias=True)
