"""Whether a job has used up its time."""

from datetime import datetime

from posefleet_operator.timestamps import seconds_between


def seconds_left(start_time: str | None, active_deadline_seconds: int | None, now: datetime) -> float | None:
    """Seconds until the deadline, negative after it; None without one.

    It counts from the first sight of the job and never starts anew, neither at a resume nor at another attempt.
    """
    if active_deadline_seconds is None or start_time is None:
        return None
    return active_deadline_seconds - seconds_between(start_time, now)
