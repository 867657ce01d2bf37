"""How progress reports and termination messages of the trainer change the status."""

import math

from posefleet_api.outcomes import ProgressReport, TerminationMessage
from posefleet_api.status import Attempt, Checkpoint, Progress, Status
from posefleet_operator.cluster.objects import from_timestamp, to_timestamp

_MAX_WARNINGS, _MAX_WARNING_LENGTH = 16, 1024


def with_display(progress: Progress) -> Progress:
    """Return ``progress`` with the texts of the printer columns, and without numbers that JSON cannot represent.

    Texts that the trainer has filled in are kept.
    """
    display = progress.display or f"{progress.stage} {progress.percent}%"
    eta = progress.eta or (duration(progress.eta_seconds) if progress.eta_seconds is not None else "")
    numbers = {name: getattr(progress, name) for name in ("loss", "frames_per_second", "validation_pixel_error")}
    unwritable = {name: None for name, value in numbers.items() if value is not None and not math.isfinite(value)}
    return progress.model_copy(update={"display": display, "eta": eta, **unwritable})


def duration(seconds: int) -> str:
    """Return seconds as ``45s``, ``3m10s``, ``2h5m`` or ``3d4h``."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes == 0:
        return f"{seconds}s"
    if hours == 0:
        return f"{minutes}m{seconds % 60}s"
    return f"{hours}h{minutes % 60}m" if days == 0 else f"{days}d{hours % 24}h"


def after_report(status: Status, report: ProgressReport) -> Status:
    """Return the status after a report of rank 0. A report of any but the newest attempt changes nothing.

    The attempt itself changes only with its first report and with a warning, so that most writes carry the progress
    alone. Its last step is recorded when it ends.
    """
    if not status.attempts or status.current_attempt != report.attempt:
        return status
    attempt = status.attempts[-1].model_copy(
        update={
            "start_step": report.start_step,
            "warnings": _merged(status.attempts[-1].warnings, report.warnings),
        }
    )
    return status.model_copy(
        update={
            "progress": with_display(report.progress),
            "attempts": [*status.attempts[:-1], attempt],
            "last_checkpoint": newer(status.last_checkpoint, report.last_checkpoint),
        }
    )


def after_termination(status: Status, said: TerminationMessage) -> Status:
    """Return the status after a pod of the newest attempt has left a termination message."""
    changes: dict[str, object] = {"last_checkpoint": newer(status.last_checkpoint, said.last_checkpoint)}
    if said.artifacts is not None:
        changes["artifacts"] = said.artifacts
    if said.progress is not None:
        changes["progress"] = with_display(said.progress)
    attempt = _after_termination(status.attempts[-1], said)
    return status.model_copy(update={**changes, "attempts": [*status.attempts[:-1], attempt]})


def last_step(status: Status) -> int | None:
    """Return the last step that the newest attempt is known to have finished, or None if it has not reported any."""
    attempt = status.attempts[-1]
    if attempt.end_step is not None or attempt.start_step is None or status.progress is None:
        return attempt.end_step
    return status.progress.step


def attempts_so_far(status: Status) -> list[Attempt]:
    """Return the attempts of a status. The last step of one that runs is the one that it has reached so far."""
    if not status.attempts:
        return []
    return [*status.attempts[:-1], status.attempts[-1].model_copy(update={"end_step": last_step(status)})]


def newer(old: Checkpoint | None, new: Checkpoint | None) -> Checkpoint | None:
    """Return the checkpoint from which training would resume, that is, the one with the higher step.

    A new one whose time the API server would not accept is ignored.
    """
    written = from_timestamp(new.time) if new is not None else None
    new = new.model_copy(update={"time": to_timestamp(written)}) if new is not None and written is not None else None
    if old is None or new is None:
        return new or old
    return new if new.step >= old.step else old


def only_progress_differs(old: Status, new: Status) -> bool:
    """Return whether two statuses differ in numbers of the progress only, so that the write can be postponed."""
    return _without_numbers(old) == _without_numbers(new)


def _without_numbers(status: Status) -> Status:
    attempts = [attempt.model_copy(update={"start_step": None, "end_step": None}) for attempt in status.attempts]
    stage = status.progress.stage if status.progress is not None else "prepare"
    return status.model_copy(update={"progress": Progress(stage=stage), "last_checkpoint": None, "attempts": attempts})


def _after_termination(attempt: Attempt, said: TerminationMessage) -> Attempt:
    changes: dict[str, object] = {"warnings": _merged(attempt.warnings, said.warnings)}
    if said.start_step is not None:
        changes["start_step"] = said.start_step
    if said.progress is not None:
        changes["end_step"] = said.progress.step
    return attempt.model_copy(update=changes)


def _merged(old: list[str], new: list[str]) -> list[str]:
    texts = dict.fromkeys(text[:_MAX_WARNING_LENGTH] for text in new)
    return [*old, *(text for text in texts if text not in old)][:_MAX_WARNINGS]
