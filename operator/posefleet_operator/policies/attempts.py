"""Whether another attempt starts, and when."""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from posefleet_api.resources import FailurePolicy
from posefleet_api.status import Attempt, Checkpoint, Preparation
from posefleet_operator.cluster.objects import from_timestamp, seconds_between

#: Nobody waits longer than this, however often an attempt failed, unless the policy itself says so.
MAX_BACKOFF_SECONDS = 3600.0
#: Ranks that waited for a node in vain have waited long enough.
_MAX_INCOMPLETE_BACKOFF_SECONDS = 60.0
#: Ends that nobody's budget pays for but that could come again at once.
_DELETED_FROM_OUTSIDE = frozenset({"PodDeleted", "JobDeleted", "StoreUnreachable"})
#: Ends that the job's author asked for.
_REQUESTED_BY_AUTHOR = frozenset({"Suspended", "Replaced"})


def counts_against_budget(attempt: Attempt) -> bool:
    """Whether an attempt that ended uses up the budget of ``failurePolicy.maxAttempts``."""
    return attempt.outcome in {"Failed", "Stalled"}


def seconds_before_next(attempts: Sequence[Attempt], policy: FailurePolicy) -> float:
    """Seconds between the end of the last attempt and the start of the next.

    A failed one waits ``policy.backoff_seconds``, doubled for each failure in a row. A preempted one is followed
    at once if it got anywhere; if it did not, or if somebody deleted it, it waits too, so that nothing spins.
    """
    if not attempts:
        return 0.0
    last, base = attempts[-1], float(policy.backoff_seconds)
    if counts_against_budget(last):
        return exponential_backoff(base, _run_length(counts_against_budget(attempt) for attempt in reversed(attempts)))
    if last.reason in _REQUESTED_BY_AUTHOR:
        return 0.0
    if fruitless := _run_length(_made_no_progress(attempt) for attempt in reversed(attempts)):
        limit = _MAX_INCOMPLETE_BACKOFF_SECONDS if last.reason == "GangIncomplete" else MAX_BACKOFF_SECONDS
        return exponential_backoff(base, fruitless, limit)
    return base if last.reason in _DELETED_FROM_OUTSIDE else 0.0


def exponential_backoff(base_seconds: float, times: int, limit: float = MAX_BACKOFF_SECONDS) -> float:
    """``base_seconds`` for the first time, twice as much for each further one, up to ``limit`` if that is more."""
    return min(max(limit, base_seconds), base_seconds * 2.0 ** min(times - 1, 32))


def _made_no_progress(attempt: Attempt) -> bool:
    if attempt.outcome != "Preempted" or attempt.reason in _REQUESTED_BY_AUTHOR:
        return False
    return (attempt.end_step or 0) <= (attempt.start_step or 0)


def _run_length(flags: Iterator[bool]) -> int:
    return sum(1 for _ in takewhile(bool, flags))


#: A store that is away is asked again at least once a minute.
MAX_UNREACHABLE_BACKOFF_SECONDS = 60.0
_FIRST_UNREACHABLE_BACKOFF_SECONDS = 2.0


def seconds_before_next_try(preparation: Preparation, policy: FailurePolicy) -> float:
    """Seconds between the end of the last try and the start of the next."""
    if preparation.unreachable:
        return exponential_backoff(
            _FIRST_UNREACHABLE_BACKOFF_SECONDS, preparation.unreachable, MAX_UNREACHABLE_BACKOFF_SECONDS
        )
    if preparation.failures:
        return exponential_backoff(float(policy.backoff_seconds), preparation.failures)
    return 0.0


def queue_seconds(attempt: Attempt) -> float:
    """Seconds that an attempt waited for all its pods to run, once they do or it has ended."""
    until = from_timestamp(attempt.running_time) or from_timestamp(attempt.end_time)
    return seconds_between(attempt.start_time, until) if until is not None else 0.0


def gpu_seconds(attempt: Attempt) -> float:
    """GPU-seconds that an attempt held from the time when all its pods ran, once it has ended."""
    ended = from_timestamp(attempt.end_time)
    return attempt.gpus * seconds_between(attempt.running_time, ended) if ended is not None else 0.0


def useful_share(attempt: Attempt, checkpoint: Checkpoint | None) -> float:
    """The share of an attempt's steps that the next attempt need not repeat: those up to the last checkpoint."""
    if attempt.outcome == "Succeeded":
        return 1.0
    start, end = attempt.start_step or 0, attempt.end_step or 0
    if end <= start or checkpoint is None:
        return 0.0
    return max(0.0, min(1.0, (checkpoint.step - start) / (end - start)))
