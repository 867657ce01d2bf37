"""What a job does about Kueue's queue: whether it keeps its place, and what it shows of it."""

from posefleet_api.status import Attempt
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.observation import Observation


def keeps_its_place(seen: Observation, attempt: Attempt, job: ChildJob) -> bool:
    """Return whether Kueue has preempted an attempt, and the next one can wait for the nodes with the same Job.

    It needs another Job if the manifest has been edited since this one was created.
    """
    if attempt.running_time is None or not job.unfinished or not job.suspended or not job.queue:
        return False
    if any(pod.active for pod in seen.pods_of(job)) or seen.unknown_fields or seen.spec.suspend:
        return False
    return job.queue == seen.spec.queue and not seen.changed_parts(job)


def rounded_position(position: int) -> str:
    """Return the place of a job in a queue as text, which changes about thirty times on the way from 1,000 to 1.

    When a job is admitted, the places of all others behind it change. Up to 10 they are exact.
    """
    if position <= 10:
        return str(position)
    unit = 10 ** (len(str(position)) - 1)
    return f"{position // unit * unit}+"
