"""The plan of a training: its steps and epochs, the samples of each rank, and the learning rate.

The learning rate is a function of the part of the training that is done, so that a checkpoint need not contain it.
"""

import math
from dataclasses import dataclass

from posefleet_trainer.loading.sampler import Share, steps_of
from posefleet_trainer.losses.build import RAMP_START

#: The part of the training in which the learning rate rises to its peak.
_WARM_UP = 0.03
#: The parts of the training until which a pretrained backbone is frozen, and after which it learns at the head's rate.
_FROZEN, _THAWED = 0.05, 0.12
#: The learning rate at the end, relative to its peak.
_FLOOR = 0.01


def learning_rate_factor(share_done: float) -> float:
    """Return the learning rate relative to its peak: a linear warm-up, then half a period of a cosine.

    The cosine follows Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017.

    Args:
        share_done: the part of the training that is done, from 0 to 1.
    """
    if share_done < _WARM_UP:
        return (share_done + _FLOOR * _WARM_UP) / (_WARM_UP * (1 + _FLOOR))
    after = (share_done - _WARM_UP) / (1 - _WARM_UP)
    return _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, after)))


def backbone_factor(share_done: float, pretrained: bool) -> float:
    """Return the learning rate of the backbone relative to that of the head.

    Random weights learn at the head's rate from the start. Pretrained weights are frozen until the head has learned
    to use them; then their rate rises exponentially from a tenth of the head's, as in Lightning Pose (Biderman et al.,
    Nature Methods 2024).

    Args:
        share_done: the part of the training that is done, from 0 to 1.
        pretrained: whether the backbone started from pretrained weights.
    """
    if not pretrained or share_done >= _THAWED:
        return 1.0
    if share_done < _FROZEN:
        return 0.0
    return float(0.1 ** ((_THAWED - share_done) / (_THAWED - _FROZEN)))


@dataclass(frozen=True)
class Plan:
    """The numbers that determine the steps of a training."""

    epochs: int
    """Times that every labelled frame is drawn."""
    frames: int
    """Labelled frames to train on."""
    batch_size: int
    """Labelled frames per rank and step."""
    clip_length: int
    """Unlabelled frames per rank and step; 0 without unsupervised losses."""
    world: int
    """Number of ranks."""
    validate_every_epochs: int
    """Epochs between two measurements of the validation error."""

    @property
    def steps(self) -> int:
        """The number of optimizer steps of the whole training."""
        return steps_of(self.epochs, self.frames, self.batch_size, self.world)

    @property
    def samples_per_step(self) -> int:
        """Labelled frames per step, over all ranks."""
        return self.batch_size * self.world

    @property
    def first_clip_step(self) -> int:
        """The first step whose batch contains a clip, from which the weight of unsupervised losses rises above zero."""
        return int(self.steps * RAMP_START)

    def share_done(self, step: int) -> float:
        """Return the part of the training that is done after ``step`` steps, from 0 to 1."""
        return step / self.steps

    def epoch(self, step: int) -> int:
        """Return the number of epochs that are complete after ``step`` steps."""
        return min(self.epochs, step * self.samples_per_step // self.frames)

    def step_of_sample(self, sample: int) -> int:
        """Return the step at which to continue after ``sample`` labelled samples.

        The samples may have been counted by another number of ranks; the step then starts at or after them.
        """
        return min(self.steps, -(-sample // self.samples_per_step))

    def ends_epoch(self, step: int) -> bool:
        """Return whether an epoch ends with the ``step``-th step, counted from 1."""
        return step == self.steps or self.epoch(step) > self.epoch(step - 1)

    def validates_after(self, step: int) -> bool:
        """Return whether the validation error is measured after ``step`` steps."""
        every = self.validate_every_epochs
        return step == self.steps or self.epoch(step) // every > self.epoch(step - 1) // every

    def frame_share(self, rank: int) -> Share:
        """Return the labelled frames that ``rank`` takes of every step."""
        return Share(rank, self.world, self.batch_size)

    def clip_share(self, rank: int) -> Share:
        """Return the clips that ``rank`` takes of every step, which is one."""
        return Share(rank, self.world, 1)
