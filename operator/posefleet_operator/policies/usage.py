"""What attempts cost: seconds in the queue, GPU-seconds held, and how many of those were of use."""

from posefleet_api.status import Attempt, Checkpoint
from posefleet_operator.timestamps import from_timestamp, seconds_between


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
