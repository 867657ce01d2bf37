"""What a training step gets."""

from dataclasses import dataclass

import torch


@dataclass
class FrameBatch:
    """Labelled frames, augmented."""

    images: torch.Tensor
    """(frame, 3, height, width), normalised."""
    points: torch.Tensor
    """(frame, keypoint, xy) in image pixels; NaN where there is no label, or none inside the image."""
    files: list[str]
    """Where the frames come from, inside the project folder."""


@dataclass
class ClipBatch:
    """Consecutive unlabelled frames, augmented alike."""

    images: torch.Tensor
    """(frame, 3, height, width), normalised."""
    undo: torch.Tensor
    """(2, 3): from the augmented image's pixels to the image's."""
    source_ratio: torch.Tensor
    """(xy): source pixels an image pixel."""
    file: str
    """The video, inside the project folder."""
    start: int
    """The first frame's number in it."""


@dataclass
class TrainingBatch:
    """One rank's part of one step."""

    step: int
    frames: FrameBatch
    clip: ClipBatch | None
    """None while the unsupervised losses count for nothing."""
