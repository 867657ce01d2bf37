"""Which leftovers of a job may go."""

from datetime import datetime

from posefleet_operator.timestamps import seconds_between

#: Attempts whose Jobs stay, so that ``kubectl logs`` shows what happened.
KEPT_ATTEMPTS = 3


def outdated(starting: int) -> int | None:
    """The attempt, or try, whose children go when number ``starting`` starts."""
    return starting - KEPT_ATTEMPTS if starting > KEPT_ATTEMPTS else None


def seconds_to_live(completion_time: str | None, ttl_seconds: int | None, now: datetime) -> float | None:
    """Seconds until a finished job is to be deleted, 0 if it is time; None if it stays."""
    if ttl_seconds is None or completion_time is None:
        return None
    return max(0.0, ttl_seconds - seconds_between(completion_time, now))
