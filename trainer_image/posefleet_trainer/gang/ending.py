"""How a rank ends: an error becomes an exit code and a termination message, and one rank's end explains the node's."""

import contextlib
import logging
import os
import signal
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from posefleet_api.constants import ENV_TERMINATION_LOG, TERMINATION_LOG
from posefleet_api.outcomes import ExitCode, ProgressReport, TerminationMessage, TerminationReason
from posefleet_api.status import Artifacts
from posefleet_trainer.errors import Stopped, TrainerError

_log = logging.getLogger(__name__)

#: Exit codes that explain the end of a node best, the most decisive first. Those not listed come next, then PEER_LOST,
#: then success.
_DECISIVE = (ExitCode.INVALID_INPUT, ExitCode.PREEMPTED, ExitCode.STORE_UNREACHABLE)


def describe_failure(error: BaseException) -> tuple[ExitCode, TerminationReason, str]:
    """Return exit code, reason and message for ``error``. An unexpected error is logged with its traceback."""
    if isinstance(error, TrainerError):
        return error.exit_code, error.reason, str(error)
    if isinstance(error, Stopped):
        return ExitCode.PREEMPTED, "Preempted", "stopped by SIGTERM; files that are already in the store are kept"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        advice = "lower training.batchSize or training.clipLength, or take a GPU (or resources.memoryPerNode) with more"
        return ExitCode.FAILED, "OutOfMemory", f"out of memory: {advice}. {_last_line(error)}"
    _log.error("%s", "".join(traceback.format_exception(error)))
    return ExitCode.FAILED, "Error", _last_line(error)


def _last_line(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()


def compose_message(
    reason: TerminationReason, message: str, report: ProgressReport, artifacts: Artifacts | None = None
) -> TerminationMessage:
    """Return the termination message: how the process ended, and the progress that the operator may not have seen."""
    return TerminationMessage(
        reason=reason,
        message=message,
        warnings=report.warnings,
        progress=report.progress,
        start_step=report.start_step,
        last_checkpoint=report.last_checkpoint,
        artifacts=artifacts,
    )


def write_termination_log(message: TerminationMessage) -> None:
    """Write the message to the pod's termination log. Outside a pod, and on a full disk, this does nothing."""
    path = _termination_log()
    if path is None:
        return
    try:
        path.write_bytes(message.encode())
    except OSError as error:
        # The exit code must reach the operator even without a message.
        _log.warning("cannot write the termination message to %s: %s", path, error)


def _termination_log() -> Path | None:
    named = os.environ.get(ENV_TERMINATION_LOG)
    path = Path(named or TERMINATION_LOG)
    return path if named or path.exists() else None


@dataclass(frozen=True)
class RankEnd:
    """How one rank ended, as its launcher sees it."""

    rank: int
    return_code: int
    """As ``Popen`` reports it: -n for signal n."""
    message_file: Path
    """Where the rank wrote its termination message, if it came to that."""

    @property
    def exit_code(self) -> int:
        """The exit code as a shell reports it, 128 + n for signal n.

        A rank that SIGTERM kills had not begun to train, so it counts as preempted.
        """
        if self.return_code == -signal.SIGTERM:
            return ExitCode.PREEMPTED
        return 128 - self.return_code if self.return_code < 0 else self.return_code

    @property
    def message(self) -> TerminationMessage:
        """The rank's own termination message, or one that is derived from its exit code."""
        # A full disk leaves an empty file, which must not hide the exit code.
        with contextlib.suppress(OSError, ValueError):
            return TerminationMessage.model_validate_json(self.message_file.read_bytes())
        if self.exit_code == ExitCode.PREEMPTED:
            return TerminationMessage(reason="Preempted", message="asked to stop before training began")
        return TerminationMessage(reason="Error", message=self._without_message())

    def _without_message(self) -> str:
        code = self.exit_code
        if code == 128 + signal.SIGKILL:
            return f"rank {self.rank} was killed (SIGKILL): if its memory ran out, raise resources.memoryPerNode"
        cause = f"signal {code - 128}" if code > 128 else f"exit code {code}"
        return f"rank {self.rank} ended with {cause} and left no message; see its log"


def decisive_end(ends: Sequence[RankEnd]) -> RankEnd:
    """Return the end that explains best why the ranks of a node have ended."""
    return min(ends, key=lambda end: _order(end.exit_code))


def _order(code: int) -> int:
    if code in _DECISIVE:
        return _DECISIVE.index(code)
    if code == ExitCode.SUCCEEDED:
        return len(_DECISIVE) + 2
    return len(_DECISIVE) + (1 if code == ExitCode.PEER_LOST else 0)
