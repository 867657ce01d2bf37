"""The plan of a training: its steps and epochs, the samples of each rank, and the learning rate.

The learning rate is a function of the part of the training that is done, so that a checkpoint need not contain it.
"""

import math
from dataclasses import dataclass

from posefleet_trainer.loading.sampler import Share, steps_of
from posefleet_trainer.losses.build import BEGINS

#: Shares of the training: the rate rises to its peak, and a backbone with learned weights waits for the head.
_WARM_UP = 0.03
_FROZEN, _THAWED = 0.05, 0.12
#: The rate in the end, relative to the peak.
_FLOOR = 0.01


def learning_rate_factor(share_done: float) -> float:
    """The learning rate relative to its peak: linear warm-up, then half a cosine (Loshchilov and Hutter, ICLR 2017)."""
    if share_done < _WARM_UP:
        return (share_done + _FLOOR * _WARM_UP) / (_WARM_UP * (1 + _FLOOR))
    after = (share_done - _WARM_UP) / (1 - _WARM_UP)
    return _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, after)))


def backbone_factor(share_done: float, pretrained: bool) -> float:
    """The backbone's learning rate relative to the head's.

    Learned weights stand still until the head has stopped guessing, then come in from a tenth (as in Lightning Pose,
    Biderman et al. 2024); random ones learn from the start.
    """
    if not pretrained or share_done >= _THAWED:
        return 1.0
    if share_done < _FROZEN:
        return 0.0
    return float(0.1 ** ((_THAWED - share_done) / (_THAWED - _FROZEN)))


@dataclass(frozen=True)
class Plan:
    """The numbers of one training."""

    epochs: int
    frames: int
    """Labelled frames to train on."""
    batch_size: int
    """Labelled frames a rank and step."""
    clip_length: int
    """Unlabelled frames a rank and step; 0 without unsupervised losses."""
    world: int
    validate_every_epochs: int

    @property
    def steps(self) -> int:
        """In all."""
        return steps_of(self.epochs, self.frames, self.batch_size, self.world)

    @property
    def samples_per_step(self) -> int:
        """Labelled frames a step, over all ranks."""
        return self.batch_size * self.world

    @property
    def first_clip_step(self) -> int:
        """The first step whose unsupervised losses count for something."""
        return int(self.steps * BEGINS)

    def share_done(self, step: int) -> float:
        """The part of the training that is done after ``step`` steps, from 0 to 1."""
        return step / self.steps

    def epoch(self, step: int) -> int:
        """Whole epochs after ``step`` steps."""
        return min(self.epochs, step * self.samples_per_step // self.frames)

    def step_of_sample(self, sample: int) -> int:
        """The step to go on from when ``sample`` samples have been seen, perhaps by another number of ranks."""
        return min(self.steps, -(-sample // self.samples_per_step))

    def ends_epoch(self, step: int) -> bool:
        """Whether an epoch ends with the ``step``-th step."""
        return step == self.steps or self.epoch(step) > self.epoch(step - 1)

    def validates_after(self, step: int) -> bool:
        """Whether the pixel error is measured after ``step`` steps."""
        every = self.validate_every_epochs
        return step == self.steps or self.epoch(step) // every > self.epoch(step - 1) // every

    def frame_share(self, rank: int) -> Share:
        """The labelled frames of a rank."""
        return Share(rank, self.world, self.batch_size)

    def clip_share(self, rank: int) -> Share:
        """The clips of a rank: one a step."""
        return Share(rank, self.world, 1)
