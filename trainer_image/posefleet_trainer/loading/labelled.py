"""Loading of labelled frames: decoded once, augmented differently in every epoch, together with their labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from nvidia.dali import fn
from nvidia.dali.pipeline import Pipeline

from posefleet_trainer.dataset.prepared import LabelledFrame
from posefleet_trainer.loading.augmentation import Augmentation, apply, frame_augmentation, noise_bank
from posefleet_trainer.loading.pipeline import (
    AUGMENTATION_INPUTS,
    Device,
    LookAhead,
    augment_frames,
    augmentation_inputs,
    new_pipeline,
    to_torch,
)
from posefleet_trainer.loading.sampler import FrameSampler, Share
from posefleet_trainer.models.coordinates import Grid, between
from posefleet_trainer.video.decode import resize

#: Memory for decoded frames per rank and set, because decoding costs more than all augmentation.
_KEPT_BYTES = 512 * 2**20
#: Batches that are decoded ahead of the step that needs them.
_STEPS_AHEAD = 2


@dataclass
class FrameBatch:
    """Labelled frames of one rank and step, augmented."""

    images: torch.Tensor
    """(frame, 3, height, width), normalised, float32."""
    points: torch.Tensor
    """(frame, keypoint, xy) in image pixels, float32; NaN where there is no label or it left the image."""
    files: list[str]
    """Paths of the frames inside the project folder."""


class Archive(Protocol):
    """A source of labelled pictures, such as ``dataset.frame_archive.FrameArchive``."""

    def image(self, path: str) -> np.ndarray:
        """Return the picture at ``path`` (height, width, 3), RGB bytes."""


class FrameStore:
    """The frames of one set (training or validation) at the network's image size.

    Decoded frames are kept in memory, up to 512 MiB per set; further ones are decoded whenever they are asked for.
    """

    def __init__(self, archive: Archive, frames: Sequence[LabelledFrame], image: Grid) -> None:
        self._archive = archive
        self.frames = frames
        self.image = image
        self._kept: dict[int, np.ndarray] = {}
        self._room = _KEPT_BYTES // (image.height * image.width * 3)

    def picture(self, frame: int) -> np.ndarray:
        """Return frame ``frame`` (height, width, 3), RGB bytes at the network's image size."""
        kept = self._kept.get(frame)
        if kept is None:
            kept = resize(self._archive.image(self.frames[frame].path), (self.image.height, self.image.width))
            if len(self._kept) < self._room:
                self._kept[frame] = kept
        return kept

    def points(self, frame: int) -> np.ndarray:
        """Return the labels of frame ``frame`` (keypoint, xy) in image pixels, float32; NaN where there is none."""
        source = Grid(self.frames[frame].height, self.frames[frame].width)
        return between(self.labels(frame), source, self.image).astype(np.float32)

    def labels(self, frame: int) -> np.ndarray:
        """Return the labels of frame ``frame`` (keypoint, xy) in source pixels, float64; NaN where there is none."""
        return np.array([point or (np.nan, np.nan) for point in self.frames[frame].points], dtype=np.float64)


class LabelledLoader:
    """Loads one batch of augmented labelled frames per step.

    Args:
        store: the training frames.
        share: the samples of this rank.
        seed: of the training.
        first_step: the step of the first batch.
        device_id: CUDA device that augments; None for the CPU. The CPU decodes in either case.
        threads: CPU threads that decode.
    """

    def __init__(
        self, store: FrameStore, share: Share, seed: int, first_step: int, *, device_id: int | None, threads: int
    ) -> None:
        self._store = store
        self._share = share
        self._seed = seed
        self._sampler = FrameSampler(len(store.frames), seed)
        self._step = first_step
        device: Device = "cpu" if device_id is None else "gpu"
        self._ahead = LookAhead(self._pictures, first_step, threads=threads, depth=_STEPS_AHEAD)
        self._pipeline = self._build(device, device_id, threads)

    def next_batch(self) -> FrameBatch:
        """Return the batch of the next step."""
        (images,) = self._pipeline.run()
        samples = self._share.samples(self._step)
        self._step += 1
        frames = [self._sampler.frame(sample) for sample in samples]
        pairs = zip(frames, samples, strict=True)
        points = [self._points(frame, self._augmentation(sample)) for frame, sample in pairs]
        return FrameBatch(
            images=to_torch(images).permute(0, 3, 1, 2),
            points=torch.from_numpy(np.stack(points)),
            files=[self._store.frames[frame].path for frame in frames],
        )

    def close(self) -> None:
        """Stop decoding ahead."""
        self._ahead.close()

    def _build(self, device: Device, device_id: int | None, threads: int) -> Pipeline:
        pipeline = new_pipeline(self._share.per_step, threads, device_id)
        with pipeline:
            layout = ["HWC"] + [""] * AUGMENTATION_INPUTS
            frames: Any
            frames, *inputs = fn.external_source(source=self._ahead, num_outputs=1 + AUGMENTATION_INPUTS, layout=layout)
            noise = noise_bank(self._seed, self._store.image)
            on_device = frames.gpu() if device == "gpu" else frames
            pipeline.set_outputs(augment_frames(on_device, inputs, device, noise, layout="HWC"))
        pipeline.build()
        return pipeline

    def _pictures(self, step: int) -> tuple[list[Any], ...]:
        samples = self._share.samples(step)
        pictures = [self._store.picture(self._sampler.frame(sample)) for sample in samples]
        return pictures, *augmentation_inputs([self._augmentation(sample) for sample in samples])

    def _augmentation(self, sample: int) -> Augmentation:
        return frame_augmentation(self._seed, sample, self._store.image)

    def _points(self, frame: int, augmentation: Augmentation) -> np.ndarray:
        points = apply(augmentation.matrix, self._store.points(frame)).astype(np.float32)
        image = self._store.image
        inside = (points > -0.5) & (points < (image.width - 0.5, image.height - 0.5))
        points[~inside.all(axis=-1)] = np.nan
        return points
