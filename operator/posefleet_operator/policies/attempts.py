"""Whether another attempt starts, and when."""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from posefleet_api.resources import FailurePolicy
from posefleet_api.status import Attempt

#: Nobody waits longer than this, however often an attempt failed, unless the policy itself says so.
MAX_BACKOFF_SECONDS = 3600.0
#: Ranks that waited for a node in vain have waited long enough.
_MAX_INCOMPLETE_BACKOFF_SECONDS = 60.0
#: Ends that nobody's budget pays for but that could come again at once.
_DELETED_FROM_OUTSIDE = frozenset({"PodDeleted", "JobDeleted", "StoreUnreachable"})

#: Ends that the job's author asked for.
_ASKED_FOR = frozenset({"Suspended", "Replaced"})


def counts(attempt: Attempt) -> bool:
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
    if counts(last):
        return doubled(base, _run_length(counts(attempt) for attempt in reversed(attempts)))
    if last.reason in _ASKED_FOR:
        return 0.0
    if fruitless := _run_length(_fruitless(attempt) for attempt in reversed(attempts)):
        limit = _MAX_INCOMPLETE_BACKOFF_SECONDS if last.reason == "GangIncomplete" else MAX_BACKOFF_SECONDS
        return doubled(base, fruitless, limit)
    return base if last.reason in _DELETED_FROM_OUTSIDE else 0.0


def doubled(base_seconds: float, times: int, limit: float = MAX_BACKOFF_SECONDS) -> float:
    """``base_seconds`` for the first time, twice as much for each further one, up to ``limit`` if that is more."""
    return min(max(limit, base_seconds), base_seconds * 2.0 ** min(times - 1, 32))


def _fruitless(attempt: Attempt) -> bool:
    if attempt.outcome != "Preempted" or attempt.reason in _ASKED_FOR:
        return False
    return (attempt.end_step or 0) <= (attempt.start_step or 0)


def _run_length(flags: Iterator[bool]) -> int:
    return sum(1 for _ in takewhile(bool, flags))
