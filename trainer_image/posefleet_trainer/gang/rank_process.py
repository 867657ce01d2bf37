"""The life of a rank's process, from its first line to the exit code that the operator reads."""

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from posefleet_api.constants import ENV_POD_IP, TRAINER_PORT
from posefleet_api.outcomes import ExitCode, TerminationReason
from posefleet_api.status import Artifacts
from posefleet_trainer.context import Context, Rank, open_context, read_job
from posefleet_trainer.gang.ending import compose_message, describe_failure, write_termination_log
from posefleet_trainer.gang.imports import import_torch
from posefleet_trainer.gang.preemption import ignore_sigterm, stop_at_once
from posefleet_trainer.gang.process_group import process_group
from posefleet_trainer.record.facts import FactsFile
from posefleet_trainer.record.pod_record import ENV_FACTS_FILE
from posefleet_trainer.telemetry.progress import ProgressTracker, Timeline
from posefleet_trainer.telemetry.server import serve_telemetry

_log = logging.getLogger(__name__)

#: How long a request to a store is repeated. Preparing holds no GPU, so it fails soon with a message; training waits
#: until the store answers again.
_PREPARE_PATIENCE_SECONDS = 20.0
_TRAIN_PATIENCE_SECONDS = 600.0
_LIBRARY_LOGGERS = ("urllib3", "PIL", "pytorch_lightning", "lightning.pytorch", "lightning.fabric", "timm")


def run_process(job_file: Path, work: Callable[[Context], Artifacts | None], *, prepares_only: bool) -> NoReturn:
    """Run ``work`` as one rank, write the termination message and exit with the code that tells how it ended.

    Args:
        job_file: the manifest.
        work: what to do once the rank has joined the others; the result goes into the termination message.
        prepares_only: torch is not imported, and an unreachable store is reported after seconds, not minutes.
    """
    rank = Rank.from_environment()
    configure_logs(rank.index, rank.world)
    stop_at_once()
    progress, timeline, facts = ProgressTracker(attempt=0), Timeline(), FactsFile(_facts_path())
    try:
        job = read_job(job_file)
        progress = ProgressTracker(attempt=(job.status.current_attempt if job.status else None) or 0)
        if rank.local_index == 0:
            host = os.environ.get(ENV_POD_IP) or "127.0.0.1"
            serve_telemetry(progress, host, TRAINER_PORT, takes_requests=rank.index == 0)
        timeline.mark("start")
        if not prepares_only:
            import_torch()
            timeline.mark("import")
        with process_group(rank.world, progress):
            timeline.mark("join")
            patience_seconds = _PREPARE_PATIENCE_SECONDS if prepares_only else _TRAIN_PATIENCE_SECONDS
            context = open_context(job, rank, progress, patience_seconds)
            facts.follow(progress)
            artifacts = work(replace(context, timeline=timeline, facts=facts))
    except KeyboardInterrupt:
        _exit(130)
    except BaseException as error:
        ignore_sigterm()
        code, reason, sentence = describe_failure(error)
        _log.error("%s: %s", reason, sentence)
        facts.note(report=progress.report(), stage_seconds=progress.stage_seconds())
        write_termination_log(compose_message(reason, sentence, progress.report()))
        _exit(code)
    ignore_sigterm()
    facts.note(report=progress.report(), stage_seconds=progress.stage_seconds())
    done: TerminationReason = "Prepared" if prepares_only else "Completed"
    write_termination_log(compose_message(done, progress.conclusion, progress.report(), artifacts))
    _exit(ExitCode.SUCCEEDED)


def configure_logs(rank: int, world: int) -> None:
    """Log to stderr: everything on rank 0, and warnings and errors on the other ranks."""
    who = f" rank {rank}/{world}" if world > 1 else ""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if rank == 0 else logging.WARNING,
        format=f"%(asctime)s %(levelname)-7s{who} %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    for library in _LIBRARY_LOGGERS:
        logging.getLogger(library).setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)


def _facts_path() -> Path | None:
    """Where the launcher reads this rank's facts; None if it reads those of another rank, or there is no launcher."""
    named = os.environ.get(ENV_FACTS_FILE)
    return Path(named) if named else None


def _exit(code: int) -> NoReturn:
    """Exit at once. An ordinary exit would wait for threads of the process group, which may wait for a dead peer."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
