"""One rank from its start to its exit code: the job is read, the context built, the end explained."""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

import yaml

from posefleet_api.constants import ENV_CACHE_BYTES, ENV_CACHE_DIRECTORY, ENV_POD_IP, TRAINER_PORT
from posefleet_api.job import InvalidManifest, PoseTrainingJob, parse_job
from posefleet_api.outcomes import ExitCode, TerminationReason
from posefleet_api.status import Artifacts
from posefleet_api.values import quantity_bytes
from posefleet_trainer.context import Context, Rank
from posefleet_trainer.distributed import process_group
from posefleet_trainer.ending import compose_message, describe_failure, write_termination_log
from posefleet_trainer.errors import InvalidInput, Stopped
from posefleet_trainer.imports import import_torch
from posefleet_trainer.record.facts import FactsFile
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.open import open_store
from posefleet_trainer.telemetry.logs import configure_logs
from posefleet_trainer.telemetry.progress import ProgressTracker
from posefleet_trainer.telemetry.server import serve_telemetry
from posefleet_trainer.telemetry.timeline import Timeline

_log = logging.getLogger(__name__)

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


def read_job(path: Path) -> PoseTrainingJob:
    """The job in a YAML or JSON file.

    Raises:
        InvalidInput: for a file that is no manifest, with a line for every wrong field.
    """
    try:
        text = path.read_text(encoding="utf-8")
        manifest = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        if not isinstance(manifest, dict):
            raise InvalidInput(f"{path} is no manifest of a PoseTrainingJob")
        return parse_job(manifest)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidInput(f"{path} is neither YAML nor JSON: {error}") from None
    except InvalidManifest as error:
        raise InvalidInput(f"{path}:\n{error}") from None


def build_context(job: PoseTrainingJob, rank: Rank, progress: ProgressTracker, patience_seconds: float) -> Context:
    """Open the stores of the job, and its cache on this node."""
    spec = job.spec
    cache = os.environ.get(ENV_CACHE_DIRECTORY) or str(Path.home() / ".cache" / "posefleet-trainer")
    cache_bytes = int(os.environ.get(ENV_CACHE_BYTES) or quantity_bytes(spec.resources.cache_per_node))

    def store(uri: str) -> Store:
        return open_store(uri, spec.storage, patience_seconds=patience_seconds, got_on=progress.alive)

    return Context(
        job=job,
        rank=rank,
        project=store(spec.dataset.uri),
        output=store(spec.output.uri),
        prepared=store(spec.output.cache_uri or default_cache_uri(spec.output.uri)),
        cache_directory=Path(cache),
        cache_bytes=cache_bytes,
        progress=progress,
    )


def default_cache_uri(output_uri: str) -> str:
    """The folder ``.posefleet/`` at the root of the output's bucket, or beside a ``file://`` output."""
    scheme, _, path = output_uri.partition("://")
    if scheme == "s3":
        return f"s3://{path.split('/', 1)[0]}/.posefleet/"
    return f"file://{Path(path).parent}/.posefleet/"
