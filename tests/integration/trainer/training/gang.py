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
from posefleet_trainer.dataset.load import load_prepared
from posefleet_trainer.distributed import process_group
from posefleet_trainer.errors import TrainerError
from posefleet_trainer.loading.batches import TrainingBatch
from posefleet_trainer.training.control import StepControl
from posefleet_trainer.training.module import PoseModule
from posefleet_trainer.training.run import train
from unit.trainer.training.tiny import TinyProject, context_of

_TESTS = Path(__file__).parents[3]
_DEADLINE_SECONDS = 120


@dataclass(frozen=True)
class Blow:
    """A signal that a rank sends itself in the middle of a step, or (None) after the last one."""

    rank: int
    step: int | None
    number: int = signal.SIGKILL


def run_gang(root: Path, output: str, world: int, blow: Blow | None = None, **project: Any) -> list[int]:
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


def _expect(blow: Blow) -> None:
    """Let the blow fall after the forward pass of its step, when the other ranks wait for this one's gradients."""
    whole = PoseModule.training_step

    def struck(self: PoseModule, batch: TrainingBatch, index: int) -> torch.Tensor:
        loss = whole(self, batch, index)
        # The warm-up is a blank batch without files.
        if batch.step == blow.step and batch.frames.files:
            os.kill(os.getpid(), blow.number)
        return loss

    def struck_at_end(self: StepControl, *arguments: Any) -> None:
        os.kill(os.getpid(), blow.number)
        end(self, *arguments)

    end = StepControl.on_train_end
    if blow.step is None:
        StepControl.on_train_end = struck_at_end  # type: ignore[method-assign]
    else:
        PoseModule.training_step = struck  # type: ignore[method-assign]


def _run_rank(context: Context) -> int:
    try:
        with process_group(context.rank.world):
            train(context, load_prepared(context))
    except TrainerError as error:
        sys.stderr.write(f"rank {context.rank.index}: {type(error).__name__}: {error}\n")
        return int(error.exit_code)
    return 0


def _rank(rank: int, world: int, port: int, blow: Blow | None, root: Path, output: str, project: Any) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    if blow and blow.rank == rank:
        _expect(blow)
    code = _run_rank(context_of(TinyProject(**project).job(root, output), root, Rank.from_environment()))
    sys.stderr.flush()
    # As the trainer's own process does: threads of a broken group would keep an ordinary exit waiting.
    os._exit(code)
