"""Gangs of real processes that train a tiny project, and may be struck by a signal while they do."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from posefleet_trainer.context import Context, Rank
from posefleet_trainer.dataset.load import load_prepared
from posefleet_trainer.distributed import process_group
from posefleet_trainer.errors import TrainerError
from posefleet_trainer.loading.batches import TrainingBatch
from posefleet_trainer.training.module import PoseModule
from posefleet_trainer.training.run import train
from unit.trainer.training.tiny import TinyProject, context_of

_TESTS = Path(__file__).parents[3]
_DEADLINE_SECONDS = 240


@dataclass(frozen=True)
class Blow:
    """A signal that a rank sends itself in the middle of a step."""

    rank: int
    step: int
    number: int = signal.SIGKILL


def run_gang(root: Path, output: str, world: int, blow: Blow | None = None, **project: Any) -> list[int]:
    """Train the ``TinyProject`` in ``world`` processes; their exit codes, in the order of the ranks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    dealt = f"{blow.rank}:{blow.step}:{int(blow.number)}" if blow else ""
    processes = []
    for rank in range(world):
        environment = {
            **os.environ,
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1", "PYTHONPATH": str(_TESTS), "BLOW": dealt,
        }  # fmt: skip
        command = [sys.executable, __file__, str(root), output, repr(project)]
        processes.append(subprocess.Popen(command, env=environment))
    return [process.wait(_DEADLINE_SECONDS) for process in processes]


def _expect(blow: Blow) -> None:
    """Let the blow fall after the forward pass of its step, when the other ranks wait for this one's gradients."""
    whole = PoseModule.training_step

    def struck(self: PoseModule, batch: TrainingBatch, index: int) -> torch.Tensor:
        loss = whole(self, batch, index)
        # The warm-up is a blank batch without files.
        if batch.step == blow.step and batch.frames.files:
            os.kill(os.getpid(), blow.number)
        return loss

    PoseModule.training_step = struck  # type: ignore[method-assign]


def _run_rank(context: Context) -> int:
    try:
        with process_group(context.rank.world):
            train(context, load_prepared(context))
    except TrainerError as error:
        sys.stderr.write(f"rank {context.rank.index}: {type(error).__name__}: {error}\n")
        return int(error.exit_code)
    return 0


def main(root: Path, output: str, project: dict[str, Any]) -> None:
    """One rank."""
    rank = Rank.from_environment()
    if os.environ["BLOW"]:
        who, step, number = map(int, os.environ["BLOW"].split(":"))
        if who == rank.index:
            _expect(Blow(who, step, number))
    code = _run_rank(context_of(TinyProject(**project).job(root, output), root, rank))
    sys.stderr.flush()
    # As the trainer's own process does: threads of a broken group would keep an ordinary exit waiting.
    os._exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], eval(sys.argv[3]))
