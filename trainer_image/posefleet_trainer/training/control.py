"""Control of a training: after each step the ranks agree to save a checkpoint, to validate, to stop or to continue."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import pytorch_lightning as pl

from posefleet_trainer.errors import NonFiniteLoss, PeerLost, Preempted, TrainerError
from posefleet_trainer.gang.collectives import from_all, from_first, largest, wait_for_all
from posefleet_trainer.gang.preemption import StopRequest
from posefleet_trainer.loading.loader import TrainingBatch
from posefleet_trainer.training.checkpoints import CheckpointWriter
from posefleet_trainer.training.history import History, LossWatch, StepLosses
from posefleet_trainer.training.module import PoseModule
from posefleet_trainer.training.plan import Plan
from posefleet_trainer.training.reporting import Reporter
from posefleet_trainer.training.resume import snapshot


@dataclass(frozen=True)
class StepRequests:
    """What one rank, or any rank, requests after a step."""

    stop: bool = False
    """SIGTERM has arrived."""
    non_finite: bool = False
    """A loss or the gradient is NaN or infinite."""
    save: bool = False
    """A checkpoint is due, or the operator has asked for one."""
    save_failed: bool = False
    """The last checkpoint could not be written."""

    def of_all_ranks(self) -> "StepRequests":
        """Return what at least one rank requests. All ranks call it together; it is one collective operation."""
        return StepRequests(*map(bool, largest([self.stop, self.non_finite, self.save, self.save_failed])))


class CheckpointClock:
    """Decides when a checkpoint is due.

    Args:
        every_seconds: the interval between checkpoints.
        clock: returns the time in seconds.
    """

    def __init__(self, every_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every_seconds
        self._clock = clock
        self._last = clock()

    def due(self) -> bool:
        """Return whether the interval has passed since the last checkpoint began."""
        return self._clock() - self._last >= self._every

    def restart(self) -> None:
        """Note that a checkpoint begins now."""
        self._last = self._clock()


class StepControl(pl.Callback):
    """Callback that records losses, saves checkpoints, validates and stops after a step, on all ranks alike.

    Args:
        plan: the length of the training.
        history: the record of the losses, to which it adds.
        measure: returns the validation error in source pixels (None without labels); all ranks call it together.
        writer: writes checkpoints on rank 0; None on the other ranks.
        clock: decides when a checkpoint is due.
        request: notes whether SIGTERM has arrived.
        reporter: publishes the progress of this rank.
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
        self._non_finite: list[StepLosses] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: TrainingBatch, index: int
    ) -> None:
        """Record the step's losses, and do what the ranks request.

        Raises:
            NonFiniteLoss: a loss or the gradient is NaN or infinite on any rank.
            Preempted: SIGTERM has arrived on any rank; a checkpoint of this step is in the store.
            StoreUnreachable: the last checkpoint could not be written (on rank 0).
            Superseded: a newer attempt of the job has begun (on rank 0).
            PeerLost: the last checkpoint could not be written (on the other ranks).
        """
        del outputs, index
        assert isinstance(module, PoseModule)
        done = batch.step + 1
        self._record(self._watch.push(batch, module.terms, module.skipped))
        requests = self._requests().of_all_ranks()
        if requests.non_finite:
            self._raise_non_finite(trainer.global_rank)
        if requests.save_failed:
            self._raise_save_failed()
        self._end_epoch(module, done)
        self._reporter.step_done(done)
        if requests.stop or requests.save:
            self._read_pending_losses(trainer.global_rank)
            self._save(module, done)
        if requests.stop:
            self._raise_preempted(done)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Read the losses of the last step, and wait for the checkpoint that is being written.

        Raises:
            NonFiniteLoss: a loss or the gradient of the last step is NaN or infinite on any rank.
            StoreUnreachable: the last checkpoint could not be written.
        """
        del module
        self._read_pending_losses(trainer.global_rank)
        if self._writer is not None:
            self._writer.wait()

    def _requests(self) -> StepRequests:
        writer = self._writer
        return StepRequests(
            stop=self._request.made,
            non_finite=bool(self._non_finite),
            save=writer is not None and (self._clock.due() or writer.requested) and not writer.busy,
            save_failed=writer is not None and writer.failed(),
        )

    def _record(self, losses: list[StepLosses]) -> None:
        """Add losses to the history and the metrics, and keep those that are not finite."""
        for step in losses:
            self._history.add(step.terms)
            self._reporter.losses(step.terms)
        self._non_finite += [step for step in losses if not step.is_finite]

    def _end_epoch(self, module: PoseModule, done: int) -> None:
        """Validate if it is due and add a record to the history, if an epoch ends after ``done`` steps."""
        if not self._plan.ends_epoch(done):
            return
        self._record(self._watch.flush())
        error = self._measure() if self._plan.validates_after(done) else None
        self._history.close_epoch(done, self._plan.epoch(done), module.learning_rate(done - 1), error)
        if error is not None:
            self._reporter.validated(error)

    def _read_pending_losses(self, rank: int) -> None:
        """Read what a GPU has not delivered yet, and raise NonFiniteLoss if it is not finite on any rank.

        A loss or a gradient that is not finite on one rank makes the training of every rank useless, so it is looked
        for before weights are saved.
        """
        self._record(self._watch.flush())
        if any(largest([bool(self._non_finite)])):
            self._raise_non_finite(rank)

    def _save(self, module: PoseModule, done: int) -> None:
        """Start to write the checkpoint after ``done`` steps, on rank 0."""
        if self._writer is None:
            return
        self._writer.begin(done, snapshot(module, self._history, done * self._plan.samples_per_step).content())
        self._clock.restart()

    def _raise_preempted(self, done: int) -> NoReturn:
        # The other ranks wait for rank 0's upload, because the launcher ends all ranks soon after the first one exits.
        if self._writer is not None:
            self._writer.wait()
        wait_for_all()
        raise Preempted(f"asked to stop; the checkpoint after step {done} is in the store")

    def _raise_non_finite(self, rank: int) -> NoReturn:
        """Raise ``NonFiniteLoss`` on all ranks, once the checkpoint that is being written is in the store."""
        if self._writer is not None:
            # What prevents the checkpoint matters less than why training ends.
            with suppress(TrainerError):
                self._writer.wait()
        causes = [step.describe_non_finite(rank) for step in self._non_finite if step.non_finite_terms]
        causes = causes or [step.describe_non_finite(rank) for step in self._non_finite]
        everybody = from_all((causes, [file for step in self._non_finite for file in step.files]))
        checkpoint = from_first(self._reporter.checkpoint)
        # The files come last, because a long termination message is cut off.
        raise NonFiniteLoss(
            f"{'; '.join(dict.fromkeys(cause for causes, _ in everybody for cause in causes))}. Another attempt "
            + (f"continues after step {checkpoint.step} from {checkpoint.uri}" if checkpoint else "starts at step 0")
            + ". Look at the labels and frames of the batch, or lower training.learningRate: "
            + ", ".join(file for _, files in everybody for file in files)
        )

    def _raise_save_failed(self) -> NoReturn:
        # On rank 0 the writer raises the error of the checkpoint.
        if self._writer is not None:
            self._writer.wait()
        raise PeerLost("rank 0 could not write its checkpoint")
