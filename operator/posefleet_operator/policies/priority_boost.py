"""How much Kueue adds to the priority of a job that runs, so that it preempts the one that loses least.

A job that is preempted repeats what it has trained since its last checkpoint. Kueue preempts the job with the lowest
effective priority first, which is the priority of the job plus its boost. The boost grows with the time that would be
lost, and it is 0 for every job that has just written a checkpoint, waits or prepares: a job that runs then never has a
lower effective priority than one of its own class that waits, so that boosts alone make no job preempt another one.
"""

from posefleet_api.status import Status
from posefleet_operator.cluster.ages import Ages
from posefleet_operator.observation import running_attempt

#: Priority classes that differ by more than this keep their order.
MAX_BOOST = 4


def boost_of(lost_seconds: float, step_seconds: float) -> int:
    """Return 0 if less than ``step_seconds`` would be lost, and 1 more whenever the loss doubles from there.

    A job that writes a checkpoint more often than every ``step_seconds`` keeps its boost of 0, and that of a job that
    writes none changes four times.
    """
    boost = 0
    while boost < MAX_BOOST and lost_seconds >= step_seconds * 2.0**boost:
        boost += 1
    return boost


def seconds_until_change(lost_seconds: float, step_seconds: float) -> float | None:
    """Return the seconds until the boost of a job that writes no checkpoint changes, or None if it stays."""
    boost = boost_of(lost_seconds, step_seconds)
    return step_seconds * 2.0**boost - lost_seconds if boost < MAX_BOOST else None


def seconds_lost(status: Status, ages: Ages) -> float | None:
    """Return how many seconds of training a job would repeat if it were preempted now, or None if it does not run."""
    attempt = running_attempt(status)
    if attempt is None or attempt.running_time is None:
        return None
    since_start = ages.since(attempt.running_time)
    checkpoint = status.last_checkpoint
    return min(since_start, ages.since(checkpoint.time)) if checkpoint is not None else since_start
