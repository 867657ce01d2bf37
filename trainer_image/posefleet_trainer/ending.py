"""The last act of a trainer process: an exception becomes an exit code and a termination message."""

import logging
import os
import traceback
from pathlib import Path

from posefleet_api.constants import ENV_TERMINATION_LOG, TERMINATION_LOG
from posefleet_api.outcomes import ExitCode, ProgressReport, TerminationMessage, TerminationReason
from posefleet_api.status import Artifacts
from posefleet_trainer.errors import Stopped, TrainerError

_log = logging.getLogger(__name__)


def describe_failure(error: BaseException) -> tuple[ExitCode, TerminationReason, str]:
    """Exit code, reason and sentence for ``error``; what posefleet does not know is logged with its traceback."""
    if isinstance(error, TrainerError):
        return error.exit_code, error.reason, str(error)
    if isinstance(error, Stopped):
        return ExitCode.PREEMPTED, "Preempted", "asked to stop; what the store has is kept"
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
    """The termination message: the reason, and all that the operator must still learn of the work."""
    return TerminationMessage(
        reason=reason,
        message=message,
        warnings=report.warnings,
        progress=report.progress,
        start_step=report.start_step,
        last_checkpoint=report.last_checkpoint,
        artifacts=artifacts,
    )


def termination_log() -> Path | None:
    """Where this process leaves its message; None outside a pod."""
    named = os.environ.get(ENV_TERMINATION_LOG)
    path = Path(named or TERMINATION_LOG)
    return path if named or path.exists() else None


def write_termination_log(message: TerminationMessage) -> None:
    """Leave the message, if anybody reads it; a full disk must not hide the exit code."""
    path = termination_log()
    if path is None:
        return
    try:
        path.write_bytes(message.encode())
    except OSError as error:
        _log.warning("cannot write the termination message to %s: %s", path, error)
