"""The launcher of a pod: it starts one training process per GPU of this node and returns one exit code for all of them.

docs/design/contract.md says why pods do not use ``torchrun``. What only the end needs is imported at the end, so that
the ranks start at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from posefleet_api.constants import (
    ENV_NODE_RANK,
    ENV_NODES,
    ENV_NUMBER,
    ENV_PROCESSES_PER_NODE,
    ENV_RENDEZVOUS_HOST,
    ENV_RENDEZVOUS_PORT,
    ENV_TERMINATION_LOG,
)
from posefleet_trainer.gang.stacks import STACKS_SIGNAL
from posefleet_trainer.record.pod_record import ENV_FACTS_FILE, FACTS_FILE, PodRecord

if TYPE_CHECKING:
    from posefleet_api.job import PoseTrainingJob

#: Names the folder in which the ranks of a node keep their metrics, so that one of them can serve the sum.
ENV_METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
#: After one rank has failed, the others have this long to end by themselves before they are killed.
PEER_PATIENCE_SECONDS = 20.0
#: A rank that has not ended this long after SIGTERM writes its stacks into the log, since it may hang.
STACKS_AFTER_SECONDS = 10.0
#: The stacks are in the launcher's hands after this time.
_STACKS_SECONDS = 1.0
_POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1


@dataclass
class _StopRequest:
    """When the pod was asked to stop, and whether the ranks have been asked for their stacks since."""

    made_at: float | None = None
    stacks_asked: bool = False

    def asks_for_stacks(self) -> bool:
        """Return once whether the ranks should have ended by now."""
        due = self.made_at is not None and time.monotonic() - self.made_at > STACKS_AFTER_SECONDS
        due, self.stacks_asked = due and not self.stacks_asked, due
        return due


@dataclass
class _Process:
    rank: int
    popen: subprocess.Popen[bytes]
    message_file: Path


def launch(arguments: Sequence[str], job_file: Path, environment: Mapping[str, str]) -> int:
    """Run ``python -m posefleet_trainer ARGUMENTS`` once per local rank, and return the most decisive exit code.

    In a pod of the operator, which sets ``POSEFLEET_NUMBER``, the ranks' logs and a summary are written to the output
    folder of the job in ``job_file``.
    """
    with tempfile.TemporaryDirectory(prefix="posefleet-") as directory:
        folder = Path(directory)
        processes: list[_Process] = []
        stop = _forward_signals(processes)
        recorded = ENV_NUMBER in environment
        for ranked in rank_environments(environment):
            processes.append(_start(arguments, ranked, folder, piped=recorded))
        record = _record_of(job_file, folder, environment, processes) if recorded else None
        _wait(processes, stop, record)
        return _end(processes, record)


def rank_environments(environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the environment of each local rank, with the variables that ``torch.distributed`` reads."""
    nodes = int(environment.get(ENV_NODES, "1"))
    local_world = int(environment.get(ENV_PROCESSES_PER_NODE, "1"))
    node = int(environment.get(ENV_NODE_RANK, "0"))
    rendezvous = {
        ENV_RENDEZVOUS_HOST: environment.get(ENV_RENDEZVOUS_HOST) or "127.0.0.1",
        ENV_RENDEZVOUS_PORT: environment.get(ENV_RENDEZVOUS_PORT) or str(_free_port()),
    }
    return [
        {
            **environment,
            **rendezvous,
            "RANK": str(node * local_world + local),
            "LOCAL_RANK": str(local),
            "WORLD_SIZE": str(nodes * local_world),
            "LOCAL_WORLD_SIZE": str(local_world),
        }
        for local in range(local_world)
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(arguments: Sequence[str], environment: Mapping[str, str], folder: Path, *, piped: bool) -> _Process:
    rank = environment["RANK"]
    message_file = folder / f"rank-{rank}.json"
    files = {ENV_TERMINATION_LOG: str(message_file), ENV_METRICS_DIRECTORY: str(folder)}
    if rank == "0":
        files[ENV_FACTS_FILE] = str(folder / FACTS_FILE)
    popen = subprocess.Popen(
        [sys.executable, "-m", "posefleet_trainer", *arguments],
        env={**environment, **files},
        stdout=subprocess.PIPE if piped else None,
        stderr=subprocess.STDOUT if piped else None,
        bufsize=0,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  the launcher has no other thread yet
    )
    return _Process(int(rank), popen, message_file)


def _die_with_parent() -> None:
    """Let the kernel kill this rank when its launcher dies; otherwise it would go on writing to the store."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _record_of(
    job_file: Path, folder: Path, environment: Mapping[str, str], processes: Sequence[_Process]
) -> PodRecord:
    """Record what ``processes`` print, and what they leave in ``folder``."""

    def job() -> PoseTrainingJob:
        from posefleet_trainer.context import read_job

        return read_job(job_file)

    record = PodRecord(job, folder, environment)
    record.follow({process.rank: process.popen.stdout.fileno() for process in processes if process.popen.stdout})
    return record


def _forward_signals(processes: Sequence[_Process]) -> _StopRequest:
    """Pass SIGTERM on to ``processes`` from now on, and return where the first one is noted."""
    stop = _StopRequest()

    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        stop.made_at = time.monotonic() if stop.made_at is None else stop.made_at
        _signal_all(processes, number)

    signal.signal(signal.SIGTERM, forward)
    # A terminal sends SIGINT to the ranks itself.
    signal.signal(signal.SIGINT, lambda *_: None)
    return stop


def _signal_all(processes: Sequence[_Process], number: int) -> None:
    for process in processes:
        if process.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.popen.send_signal(number)


def _wait(processes: Sequence[_Process], stop: _StopRequest, record: PodRecord | None) -> None:
    """Wait until all ranks have ended.

    ``PEER_PATIENCE_SECONDS`` after the first failure, the others are killed. Ranks that go on long after SIGTERM write
    their stacks.
    """
    failed_at: float | None = None
    while any(process.popen.poll() is None for process in processes):
        now = time.monotonic()
        if failed_at is None and any(process.popen.returncode for process in processes):
            failed_at = now
        if failed_at is not None and now - failed_at > PEER_PATIENCE_SECONDS:
            _signal_all(processes, signal.SIGKILL)
        if stop.asks_for_stacks():
            _write_stacks(processes, record)
        time.sleep(_POLL_SECONDS)


def _write_stacks(processes: Sequence[_Process], record: PodRecord | None) -> None:
    """Let the ranks that have not ended write their stacks, and put them into the store.

    A rank that hangs goes on until the pod's grace period is over and the kernel kills the launcher as well, so this
    upload may be the last one.
    """
    running = [str(process.rank) for process in processes if process.popen.poll() is None]
    sys.stderr.write(f"stacks of rank {', '.join(running)}, {STACKS_AFTER_SECONDS:.0f} s after SIGTERM:\n")
    _signal_all(processes, STACKS_SIGNAL)
    time.sleep(_STACKS_SECONDS)
    if record is not None:
        record.upload_now()


def _end(processes: Sequence[_Process], record: PodRecord | None) -> int:
    """Write the decisive end to the pod's termination log and into its record, and return the exit code."""
    from posefleet_trainer.gang.ending import RankEnd, decisive_end, write_termination_log

    end = decisive_end([RankEnd(p.rank, p.popen.returncode, p.message_file) for p in processes])
    message = end.message
    write_termination_log(message)
    if record is not None:
        record.close(end.exit_code, message)
    return end.exit_code
