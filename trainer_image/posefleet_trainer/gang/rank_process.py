"""The last act of a trainer process: an exception becomes an exit code and a termination message."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from posefleet_api.constants import (
    ENV_POD_IP,
    ENV_TERMINATION_LOG,
    TERMINATION_LOG,
    TRAINER_PORT,
)
from posefleet_api.outcomes import ExitCode, ProgressReport, TerminationMessage, TerminationReason
from posefleet_api.status import Artifacts
from posefleet_trainer.context import Context, Rank, build_context, read_job
from posefleet_trainer.errors import Stopped, TrainerError
from posefleet_trainer.gang.imports import import_torch
from posefleet_trainer.gang.process_group import process_group
from posefleet_trainer.record.facts import FactsFile
from posefleet_trainer.telemetry.progress import ProgressTracker, Timeline
from posefleet_trainer.telemetry.server import serve_telemetry

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


def configure_logs(rank: int, world: int) -> None:
    """Log to stderr. Ranks beyond the first say only what is wrong, so that a gang speaks with one voice."""
    who = f" rank {rank}/{world}" if world > 1 else ""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if rank == 0 else logging.WARNING,
        format=f"%(asctime)s %(levelname)-7s{who} %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    for chatty in (
        "urllib3",
        "PIL",
        "pytorch_lightning",
        "lightning.pytorch",
        "lightning.fabric",
        "timm",
    ):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)


#: Preparing holds no GPU, so it gives up soon and says so; training waits for its store to come back.
_PATIENCE_SECONDS = {"prepare": 20.0, "train": 600.0}


def run_process(job_file: Path, work: Callable[[Context], Artifacts | None], *, prepares_only: bool) -> NoReturn:
    """Do ``work`` as one rank and leave with the exit code and message that the operator reads."""
    rank = Rank.from_environment()
    configure_logs(rank.index, rank.world)
    signal.signal(signal.SIGTERM, _stop_at_once)
    progress, timeline, facts = ProgressTracker(attempt=0), Timeline(), FactsFile.from_environment()
    try:
        job = read_job(job_file)
        progress = ProgressTracker(attempt=(job.status.attempt if job.status else None) or 0)
        if rank.local_index == 0:
            serve_telemetry(progress, os.environ.get(ENV_POD_IP) or "127.0.0.1", TRAINER_PORT)
        timeline.mark("start")
        if not prepares_only:
            import_torch()
            timeline.mark("import")
        with process_group(rank.world, progress):
            timeline.mark("join")
            patience_seconds = _PATIENCE_SECONDS["prepare" if prepares_only else "train"]
            context = build_context(job, rank, progress, patience_seconds)
            facts.follow(progress)
            artifacts = work(replace(context, timeline=timeline, facts=facts))
    except KeyboardInterrupt:
        _leave(130)
    except BaseException as error:
        _stay()
        code, reason, sentence = describe_failure(error)
        _log.error("%s: %s", reason, sentence)
        facts.note(report=progress.report(), stage_seconds=progress.stage_seconds())
        write_termination_log(compose_message(reason, sentence, progress.report()))
        _leave(code)
    _stay()
    facts.note(report=progress.report(), stage_seconds=progress.stage_seconds())
    done: TerminationReason = "Prepared" if prepares_only else "Completed"
    write_termination_log(compose_message(done, progress.conclusion, progress.report(), artifacts))
    _leave(ExitCode.SUCCEEDED)


def _stop_at_once(number: int, frame: FrameType | None) -> NoReturn:
    """Outside of training and predicting, which look for it themselves, being asked to stop just ends the process."""
    del number, frame
    raise Stopped


def _stay() -> None:
    """The end is being written down; being asked to end may not interrupt that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _leave(code: int) -> NoReturn:
    """Exit at once: threads of a broken process group would keep an ordinary exit waiting for dead peers."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
