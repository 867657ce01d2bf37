"""Budget, pauses, queue time and GPU-seconds of the attempts and of the tries of the preparation."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import takewhile

from posefleet_api.resources import FailurePolicy
from posefleet_api.status import Attempt, Checkpoint, Preparation, Status
from posefleet_operator import reasons
from posefleet_operator.cluster.objects import from_timestamp, seconds_between

#: Between two attempts there are at least this many seconds, unless the job's author asked for the next one. The times
#: in a status are whole seconds, so the pause that results can be shorter by less than one second.
MIN_PAUSE_SECONDS = 2.0
#: A pause is lengthened by up to this share of it, so that jobs that were preempted together do not return together.
_JITTER = 0.1
#: No pause is longer than this, however often an attempt failed, unless the policy itself asks for a longer one.
MAX_BACKOFF_SECONDS = 3600.0
#: Ranks that waited for a missing node have already waited long enough.
_MAX_INCOMPLETE_BACKOFF_SECONDS = 60.0
#: During an outage the store is tried at least once a minute.
MAX_UNREACHABLE_BACKOFF_SECONDS = 60.0
_FIRST_UNREACHABLE_BACKOFF_SECONDS = 2.0
#: Reasons that do not count against the budget but could recur at once.
_LIKELY_TO_RECUR = frozenset({reasons.POD_DELETED.name, reasons.JOB_DELETED.name, reasons.STORE_UNREACHABLE.name})
#: Reasons that the job's author asked for.
_REQUESTED_BY_AUTHOR = frozenset({reasons.SUSPENDED.name, reasons.REPLACED.name})


def counts_against_budget(attempt: Attempt) -> bool:
    """Return whether an attempt that ended counts against ``failurePolicy.maxFailures``.

    A rule of ``failurePolicy.rules`` that applied to it decides. Otherwise its outcome does.
    """
    if attempt.action is not None:
        return attempt.action != "Ignore"
    return reasons.counts_against_budget(attempt.outcome)


def history_for_trainer(status: Status) -> Status:
    """Return the past that the trainer needs for its report. It is the same however often it is built."""
    return Status(start_time=status.start_time, current_attempt=status.current_attempt, attempts=status.attempts[:-1])


def attempts_since_reopened(status: Status) -> list[Attempt]:
    """Return the attempts whose endings decide what follows: those since the job was last reopened."""
    return [attempt for attempt in status.attempts if attempt.number > (status.reopened_after_attempt or 0)]


def seconds_before_next(
    attempts: Sequence[Attempt], policy: FailurePolicy, checkpoint: Checkpoint | None = None
) -> float:
    """Return the seconds between the end of the last attempt and the start of the next.

    After a failed attempt, counted or not, this is ``policy.backoff_seconds``, doubled for each failure in a row. A
    preempted attempt
    is followed soon if it left a newer checkpoint than it started from. If it left none, or if somebody deleted it,
    there is a pause as for a failure, so that attempts do not follow each other without end. Only an attempt that
    ended because of an edit is followed at once.

    Args:
        attempts: the attempts that have ended, the newest last.
        policy: ``failurePolicy`` of the job.
        checkpoint: the newest checkpoint, from which the next attempt resumes.
    """
    if not attempts or attempts[-1].reason in _REQUESTED_BY_AUTHOR:
        return 0.0
    return max(MIN_PAUSE_SECONDS, _pause(attempts, float(policy.backoff_seconds), checkpoint))


def with_jitter(seconds: float, uid: str, number: int) -> float:
    """Return a pause that is up to 10 % longer than ``seconds``, and the same whenever it is computed.

    Args:
        seconds: the pause.
        uid: uid of the job that waits.
        number: number of the attempt, or of the try of the preparation, that it waits after.
    """
    digest = hashlib.sha256(f"pause/{uid}/{number}".encode()).digest()
    return seconds * (1.0 + _JITTER * int.from_bytes(digest[:4]) / 2**32)


def seconds_before_next_try(preparation: Preparation, policy: FailurePolicy) -> float:
    """Return the seconds between the end of the last try of the preparation and the start of the next."""
    if preparation.unreachable:
        first, limit = _FIRST_UNREACHABLE_BACKOFF_SECONDS, MAX_UNREACHABLE_BACKOFF_SECONDS
        return exponential_backoff(first, preparation.unreachable, limit)
    if preparation.failures:
        return exponential_backoff(float(policy.backoff_seconds), preparation.failures)
    return 0.0


def exponential_backoff(base_seconds: float, times: int, limit: float = MAX_BACKOFF_SECONDS) -> float:
    """Return ``base_seconds`` doubled ``times - 1`` times, up to the larger of ``limit`` and ``base_seconds``."""
    return min(max(limit, base_seconds), base_seconds * 2.0 ** min(times - 1, 32))


def queue_seconds(attempt: Attempt) -> float:
    """Return the seconds that an attempt waited for all its pods to run, once they do or it has ended."""
    until = from_timestamp(attempt.running_time) or from_timestamp(attempt.end_time)
    return seconds_between(attempt.start_time, until) if until is not None else 0.0


def gpu_seconds(attempt: Attempt) -> float:
    """Return the GPU-seconds that an attempt held from the time when all its pods ran, once it has ended."""
    ended = from_timestamp(attempt.end_time)
    return attempt.gpus * seconds_between(attempt.running_time, ended) if ended is not None else 0.0


def useful_share(attempt: Attempt, checkpoint: Checkpoint | None) -> float:
    """Return the share of an attempt's steps that the next attempt need not repeat: those up to ``checkpoint``."""
    if attempt.outcome == "Succeeded":
        return 1.0
    start, end = attempt.start_step or 0, attempt.end_step or 0
    if end <= start or checkpoint is None:
        return 0.0
    return max(0.0, min(1.0, (checkpoint.step - start) / (end - start)))


def _pause(attempts: Sequence[Attempt], base: float, checkpoint: Checkpoint | None) -> float:
    last = attempts[-1]
    if failures := _run_length(_failed(attempt) for attempt in reversed(attempts)):
        return exponential_backoff(base, failures)
    if fruitless := _run_length(_left_no_progress(attempts, checkpoint)):
        incomplete = last.reason == reasons.GANG_INCOMPLETE.name
        return exponential_backoff(
            base, fruitless, _MAX_INCOMPLETE_BACKOFF_SECONDS if incomplete else MAX_BACKOFF_SECONDS
        )
    return base if last.reason in _LIKELY_TO_RECUR else 0.0


def _failed(attempt: Attempt) -> bool:
    return counts_against_budget(attempt) or reasons.counts_against_budget(attempt.outcome)


def _left_no_progress(attempts: Sequence[Attempt], checkpoint: Checkpoint | None) -> Iterator[bool]:
    """Yield for each attempt, the newest first, whether it was preempted and the one after it had to repeat its steps.

    Steps that were made but are in no checkpoint are not progress.
    """
    next_start = checkpoint.step if checkpoint is not None else 0
    for attempt in reversed(attempts):
        preempted = attempt.outcome == "Preempted" and attempt.reason not in _REQUESTED_BY_AUTHOR
        advanced = attempt.start_step is not None and next_start > attempt.start_step
        yield preempted and not advanced
        next_start = next_start if attempt.start_step is None else attempt.start_step


def _run_length(flags: Iterator[bool]) -> int:
    return sum(1 for _ in takewhile(bool, flags))
