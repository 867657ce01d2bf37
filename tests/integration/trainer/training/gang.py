"""Gangs of real processes that train a tiny project, and may be struck by a signal while they do."""

import multiprocessing
import os
import signal
import socket
import sys
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import torch

from posefleet_trainer.context import Context, Rank
from posefleet_trainer.errors import TrainerError
from posefleet_trainer.gang.process_group import process_group
from posefleet_trainer.loading.loader import TrainingBatch
from posefleet_trainer.preparation.load import load_prepared
from posefleet_trainer.training.control import StepControl
from posefleet_trainer.training.history import LossWatch, StepLosses
from posefleet_trainer.training.module import Objective, PoseModule
from posefleet_trainer.training.train import train
from unit.trainer.training.tiny import TinyProject, context_of

_TESTS = Path(__file__).parents[3]
_DEADLINE_SECONDS = 120


@dataclass(frozen=True)
class Blow:
    """A signal that a rank sends itself in the middle of a step, or (None) after the last one."""

    rank: int
    step: int | None
    number: int = signal.SIGKILL

    def expect(self) -> None:
        """Let it fall after the forward pass of its step, when the other ranks wait for this one's gradients."""
        whole, end = PoseModule.training_step, StepControl.on_train_end

        def struck(module: PoseModule, batch: TrainingBatch, index: int) -> torch.Tensor:
            loss = whole(module, batch, index)
            # The warm-up is a blank batch without files.
            if batch.step == self.step and batch.frames.files:
                os.kill(os.getpid(), self.number)
            return loss

        def struck_at_end(control: StepControl, *arguments: Any) -> None:
            os.kill(os.getpid(), self.number)
            end(control, *arguments)

        if self.step is None:
            StepControl.on_train_end = struck_at_end  # type: ignore[method-assign]
        else:
            PoseModule.training_step = struck  # type: ignore[method-assign]


@dataclass(frozen=True)
class SpoiltLoss:
    """A rank's loss, or its gradient alone, is no number, which is read a step late, as on a GPU, and in that very step
    SIGTERM comes."""

    rank: int
    step: int
    gradient_alone: bool = False

    def expect(self) -> None:
        """Spoil the loss of the step."""
        whole, push, flush = Objective.forward, LossWatch.push, LossWatch.flush
        held: list[StepLosses] = []

        def spoilt(objective: Objective, batch: TrainingBatch, share_done: float) -> dict[str, torch.Tensor]:
            terms = whole(objective, batch, share_done)
            if batch.step != self.step or not batch.frames.files:
                return terms
            os.kill(os.getpid(), signal.SIGTERM)
            if self.gradient_alone:
                # The derivative of the square root at zero is infinite.
                return {name: term + (term * 0).sqrt() for name, term in terms.items()}
            return {name: term * torch.nan for name, term in terms.items()}

        def push_late(watch: LossWatch, batch: TrainingBatch, *values: Any) -> list[StepLosses]:
            ready, held[:] = list(held), push(watch, batch, *values)
            return ready

        def flush_late(watch: LossWatch) -> list[StepLosses]:
            ready, held[:] = list(held), []
            return ready + flush(watch)

        Objective.forward = spoilt  # type: ignore[method-assign]
        LossWatch.push, LossWatch.flush = push_late, flush_late  # type: ignore[method-assign,assignment]


def run_gang(root: Path, output: str, world: int, blow: Blow | SpoiltLoss | None = None, **project: Any) -> list[int]:
    """Train the ``TinyProject`` in ``world`` processes; their exit codes (-n: signal n), in the order of the ranks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = _context()
    processes = [
        context.Process(target=_rank, args=(rank, world, port, blow, root, output, project)) for rank in range(world)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(_DEADLINE_SECONDS)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert None not in codes, f"ranks did not end within {_DEADLINE_SECONDS} s: {codes}"
    return [code for code in codes if code is not None]


def _context() -> ForkServerContext:
    """Forks of a process that has imported everything and run nothing: importing torch takes longer than the test."""
    paths = [str(_TESTS), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, paths)))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _run_rank(context: Context) -> int:
    try:
        with process_group(context.rank.world, context.progress):
            train(context, load_prepared(context.output, context.prepared, context.job.spec))
    except TrainerError as error:
        sys.stderr.write(f"rank {context.rank.index}: {type(error).__name__}: {error}\n")
        return int(error.exit_code)
    return 0


def _rank(
    rank: int, world: int, port: int, blow: Blow | SpoiltLoss | None, root: Path, output: str, project: Any
) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    if blow and blow.rank == rank:
        blow.expect()
    code = _run_rank(context_of(TinyProject(**project).job(root, output), root, Rank.from_environment()))
    sys.stderr.flush()
    # As the trainer's own process does: threads of a broken group would keep an ordinary exit waiting.
    os._exit(code)
