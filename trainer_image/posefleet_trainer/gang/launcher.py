"""What the ends of a node's ranks mean together."""

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

from posefleet_api.constants import (
    ENV_NODE_RANK,
    ENV_NODES,
    ENV_NUMBER,
    ENV_PROCESSES_PER_NODE,
    ENV_RENDEZVOUS_HOST,
    ENV_RENDEZVOUS_PORT,
    ENV_TERMINATION_LOG,
)
from posefleet_api.outcomes import ExitCode, TerminationMessage
from posefleet_trainer.record.keeping import ENV_FACTS_FILE, Keeping

#: Which end explains a node's end best, the most telling first; codes not named here come before PEER_LOST.
_TELLING = (ExitCode.INVALID_INPUT, ExitCode.PREEMPTED, ExitCode.STORE_UNREACHABLE)


@dataclass(frozen=True)
class RankEnd:
    """How one rank ended."""

    rank: int
    return_code: int
    """As ``Popen`` has it: -n for signal n."""
    message_file: Path

    @property
    def exit_code(self) -> int:
        """As a shell has it, 128 + n for signal n; but a rank that SIGTERM ends was asked to stop before it trained."""
        if self.return_code == -signal.SIGTERM:
            return ExitCode.PREEMPTED
        return 128 - self.return_code if self.return_code < 0 else self.return_code

    @property
    def message(self) -> TerminationMessage:
        """What it said last, or what its exit code says for it."""
        # A full disk leaves an empty file, which must not hide the exit code.
        with contextlib.suppress(OSError, ValueError):
            return TerminationMessage.model_validate_json(self.message_file.read_bytes())
        if self.exit_code == ExitCode.PREEMPTED:
            return TerminationMessage(reason="Preempted", message="asked to stop before training began")
        return TerminationMessage(reason="Error", message=self._sudden_end())

    def _sudden_end(self) -> str:
        code = self.exit_code
        if code == 128 + signal.SIGKILL:
            return f"rank {self.rank} was killed (SIGKILL): if its memory ran out, raise resources.memoryPerNode"
        cause = f"signal {code - 128}" if code > 128 else f"exit code {code}"
        return f"rank {self.rank} ended by {cause} without a word; its log says more"


def most_telling(ends: Sequence[RankEnd]) -> RankEnd:
    """The end that explains the node's."""
    return min(ends, key=lambda end: _telling(end.exit_code))


def _telling(code: int) -> int:
    if code in _TELLING:
        return _TELLING.index(code)
    if code == ExitCode.SUCCEEDED:
        return len(_TELLING) + 2
    return len(_TELLING) + (1 if code == ExitCode.PEER_LOST else 0)


#: Where the ranks of a node put what they count, so that one of them can tell it all.
ENV_METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
#: Once a rank has ended badly the others end by themselves; those that hang are made to.
PEER_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1


@dataclass
class _Process:
    rank: int
    popen: subprocess.Popen[bytes]
    message_file: Path


def launch(arguments: Sequence[str], job_file: Path, environment: Mapping[str, str]) -> int:
    """Run ``python -m posefleet_trainer ARGUMENTS`` once per local rank, and return the exit code that says most.

    In a pod of the operator, which has a number, the ranks' logs and a summary go to the output of ``job_file``.
    """
    kept = ENV_NUMBER in environment
    with tempfile.TemporaryDirectory(prefix="posefleet-") as directory:
        folder = Path(directory)
        processes: list[_Process] = []
        _forward_signals(processes)
        for ranked in rank_environments(environment):
            processes.append(_start(arguments, ranked, folder, piped=kept))
        keeping = Keeping(job_file, folder, environment) if kept else None
        if keeping is not None:
            keeping.follow({process.rank: _output_of(process) for process in processes})
        _wait(processes)
        return _end(processes, keeping)


def rank_environments(environment: Mapping[str, str]) -> list[dict[str, str]]:
    """The environment of each local rank, with the variables that ``torch.distributed`` reads."""
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
    told = {ENV_TERMINATION_LOG: str(message_file), ENV_METRICS_DIRECTORY: str(folder)}
    if rank == "0":
        told[ENV_FACTS_FILE] = str(folder / "facts.json")
    popen = subprocess.Popen(
        [sys.executable, "-m", "posefleet_trainer", *arguments],
        env={**environment, **told},
        stdout=subprocess.PIPE if piped else None,
        stderr=subprocess.STDOUT if piped else None,
        bufsize=0,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  the launcher has no other thread yet
    )
    return _Process(int(rank), popen, message_file)


def _output_of(process: _Process) -> int:
    assert process.popen.stdout is not None
    return process.popen.stdout.fileno()


def _die_with_parent() -> None:
    """A launcher that is killed must not leave ranks behind that write to the store."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _forward_signals(processes: Sequence[_Process]) -> None:
    def forward(number: int, frame: FrameType | None) -> None:
        del frame
        _signal_all(processes, number)

    signal.signal(signal.SIGTERM, forward)
    # A terminal sends SIGINT to the ranks itself.
    signal.signal(signal.SIGINT, lambda *_: None)


def _signal_all(processes: Sequence[_Process], number: int) -> None:
    for process in processes:
        if process.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.popen.send_signal(number)


def _wait(processes: Sequence[_Process]) -> None:
    """Until all have ended; after the first bad end the rest has ``PEER_PATIENCE_SECONDS``."""
    failed_at: float | None = None
    while any(process.popen.poll() is None for process in processes):
        now = time.monotonic()
        if failed_at is None and any(process.popen.returncode for process in processes):
            failed_at = now
        if failed_at is not None and now - failed_at > PEER_PATIENCE_SECONDS:
            _signal_all(processes, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)


def _end(processes: Sequence[_Process], keeping: Keeping | None) -> int:
    """Leave the message of the most telling end, then what outlives the pod."""
    from posefleet_trainer.gang.rank_process import write_termination_log

    verdict = most_telling([RankEnd(p.rank, p.popen.returncode, p.message_file) for p in processes])
    write_termination_log(verdict.message)
    if keeping is not None:
        keeping.close(verdict)
    return verdict.exit_code
