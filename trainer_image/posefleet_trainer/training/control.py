"""After each step the ranks agree on what to do next: stop, save, measure, or go on."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl

from posefleet_trainer.errors import NonFiniteLoss, PeerLost, Preempted
from posefleet_trainer.gang.collectives import from_all, largest, wait_for_all
from posefleet_trainer.gang.preemption import StopRequest
from posefleet_trainer.loading.loader import TrainingBatch
from posefleet_trainer.training.checkpoints import CheckpointWriter
from posefleet_trainer.training.history import History, LossWatch, Measured
from posefleet_trainer.training.module import PoseModule
from posefleet_trainer.training.plan import Plan
from posefleet_trainer.training.reporting import Reporter
from posefleet_trainer.training.resume import snapshot


@dataclass(frozen=True)
class Wishes:
    """What a rank, or after agreement any rank, wants after a step."""

    stop: bool = False
    bad_loss: bool = False
    save: bool = False
    save_failed: bool = False

    def agreed(self) -> "Wishes":
        """What any rank wants: one small collective."""
        return Wishes(*map(bool, largest([self.stop, self.bad_loss, self.save, self.save_failed])))


class CheckpointClock:
    """When the next checkpoint is due."""

    def __init__(self, every_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every_seconds
        self._clock = clock
        self._last = clock()

    def due(self) -> bool:
        """Whether it is time."""
        return self._clock() - self._last >= self._every

    def restart(self) -> None:
        """A checkpoint begins now."""
        self._last = self._clock()


class StepControl(pl.Callback):
    """Runs after every step, on every rank.

    Args:
        plan: the length of the training.
        history: gets an entry an epoch.
        measure: the validation pixel error, measured by all ranks together.
        writer: of checkpoints, on rank 0; None on the others.
        clock: when checkpoints are due.
        request: set by SIGTERM.
        reporter: is told of every step.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        history: History,
        measure: Callable[[], float | None],
        writer: CheckpointWriter | None,
        clock: CheckpointClock,
        request: StopRequest,
        reporter: Reporter,
    ) -> None:
        self._plan = plan
        self._history = history
        self._measure = measure
        self._writer = writer
        self._clock = clock
        self._request = request
        self._reporter = reporter
        self._watch = LossWatch()
        self._bad: list[Measured] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: TrainingBatch, index: int
    ) -> None:
        """Agree, then do what was agreed."""
        del outputs, index
        assert isinstance(module, PoseModule)
        done = batch.step + 1
        self._count(self._watch.push(batch, module.terms))
        agreed = self._wishes().agreed()
        if agreed.bad_loss:
            self._complain(trainer.global_rank)
        if agreed.save_failed:
            self._give_up()
        self._close_epoch(module, done)
        self._reporter.step_done(done)
        if agreed.stop or agreed.save:
            self._settle(trainer.global_rank)
            self._save(module, done)
        if agreed.stop:
            self._leave(done)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """After the last step: its losses are read, and what is on its way to the store must arrive."""
        del module
        self._settle(trainer.global_rank)
        if self._writer is not None:
            self._writer.wait()

    def _wishes(self) -> Wishes:
        writer = self._writer
        return Wishes(
            stop=self._request.made,
            bad_loss=bool(self._bad),
            save=writer is not None and self._clock.due() and not writer.busy,
            save_failed=writer is not None and writer.failed(),
        )

    def _count(self, measured: list[Measured]) -> None:
        """Add losses to the record; keep those that are not finite."""
        for step in measured:
            self._history.add(step.terms)
            self._reporter.losses(step.terms)
        self._bad += [step for step in measured if step.culprits]

    def _close_epoch(self, module: PoseModule, done: int) -> None:
        if not self._plan.ends_epoch(done):
            return
        self._count(self._watch.flush())
        error = self._measure() if self._plan.validates_after(done) else None
        self._history.close_epoch(done, self._plan.epoch(done), module.learning_rate(done - 1), error)
        if error is not None:
            self._reporter.validated(error)

    def _settle(self, rank: int) -> None:
        """Read the losses that a GPU still held back, on all ranks: a loss that is bad on one spoils every weight."""
        self._count(self._watch.flush())
        if any(largest([bool(self._bad)])):
            self._complain(rank)

    def _save(self, module: PoseModule, done: int) -> None:
        if self._writer is None:
            return
        self._writer.begin(done, snapshot(module, self._history, done * self._plan.samples_per_step).content())
        self._clock.restart()

    def _leave(self, done: int) -> None:
        # The others wait for rank 0's upload: a launcher soon ends the ranks that outlive the first.
        if self._writer is not None:
            self._writer.wait()
        wait_for_all()
        raise Preempted(f"asked to stop; the checkpoint after step {done} is in the store")

    def _complain(self, rank: int) -> None:
        complaints = [text for said in from_all([step.complaint(rank) for step in self._bad]) for text in said]
        raise NonFiniteLoss(f"{'; '.join(complaints)}: look at those labels and frames, or lower training.learningRate")

    def _give_up(self) -> None:
        if self._writer is not None:
            self._writer.wait()
        raise PeerLost("rank 0 could not write its checkpoint")
