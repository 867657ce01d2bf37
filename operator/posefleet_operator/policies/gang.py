"""Whether the pods of a child Job have all ended."""

from collections.abc import Sequence
from datetime import datetime

from posefleet_operator.children import ChildJob, ChildPod

#: Pods that the Job controller has counted but that nobody has seen by then were deleted.
_PATIENCE_SECONDS = 10.0


def has_ended(job: ChildJob | None, pods: Sequence[ChildPod], now: datetime) -> bool:
    """Whether no process of the Job runs any more and none will.

    Jobs and pods are watched apart, so a Job that is seen to have ended is believed only when as many of its pods
    are seen to have ended; for a while, since pods can be deleted before anybody looks.
    """
    if any(pod.active for pod in pods):
        return False
    if job is None:
        return True
    if not job.finished or job.identity.deleted_at is not None:
        return False
    if len(pods) >= job.ended_pods:
        return True
    return job.finished_at is None or (now - job.finished_at).total_seconds() > _PATIENCE_SECONDS
