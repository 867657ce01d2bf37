"""Which pods are lost with their nodes, and from when on a lost pod is no longer waited for.

The operator may not read nodes. It does not need to: when a node stops answering, Kubernetes marks its pods as not
ready although their containers were, which a kubelet never does, and later deletes them. Nobody can confirm that their
processes have ended, so such a pod stays until the node comes back, is deleted, or is tainted as out of service.
"""

from collections.abc import Iterable, Sequence

from posefleet_api.constants import TERMINATION_GRACE_SECONDS
from posefleet_operator import reasons
from posefleet_operator.cluster.ages import Ages
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.plan import Waiting

#: A deleted pod should have ended after this time.
OVERDUE_SECONDS = TERMINATION_GRACE_SECONDS + 60
_REQUEUE_SECONDS = 5.0


def overdue_pods(pods: Sequence[ChildPod], ages: Ages) -> tuple[ChildPod, ...]:
    """Return the pods that were deleted and should have ended long ago."""
    return tuple(pod for pod in pods if pod.active and _is_overdue(pod, ages))


def unreachable_pods(pods: Sequence[ChildPod]) -> tuple[ChildPod, ...]:
    """Return the pods that may still run on nodes that do not answer."""
    return tuple(pod for pod in pods if pod.active and pod.unreachable)


def gang_is_lost(pods: Sequence[ChildPod], ages: Ages) -> bool:
    """Return whether nothing is left of a gang but deleted pods that nobody can see end."""
    active = [pod for pod in pods if pod.active]
    return bool(active) and all(
        pod.identity.deleted_at is not None and (pod.unreachable or _is_overdue(pod, ages)) for pod in active
    )


def is_given_up(pod: ChildPod, ages: Ages) -> bool:
    """Return whether a pod is no longer waited for: it was deleted long ago, and its node does not answer.

    Its processes may still run. docs/design/endings.md says why another attempt may start all the same.
    """
    return pod.active and pod.unreachable and _is_overdue(pod, ages)


def waited_for(
    jobs: Iterable[ChildJob], pods: Sequence[ChildPod], ages: Ages
) -> tuple[tuple[ChildJob, ...], tuple[ChildPod, ...]]:
    """Return those of ``jobs`` and ``pods`` that may still run and are not given up."""
    given_up = {pod.identity.number for pod in pods if is_given_up(pod, ages)}
    active = tuple(pod for pod in pods if pod.active and not is_given_up(pod, ages))

    def goes_with_its_pods(job: ChildJob) -> bool:
        return job.identity.deleted_at is not None and job.identity.number in given_up

    return tuple(job for job in jobs if not job.finished and not goes_with_its_pods(job)), active


def node_lost(pods: Sequence[ChildPod]) -> Waiting:
    """Return the wait for unreachable pods."""
    where = ", ".join(f"node {pod.node} of pod {pod.identity.name}" for pod in pods[:4])
    return Waiting(reasons.NODE_LOST, f"{where} does not answer; {reasons.NODE_LOST.remedy}", _REQUEUE_SECONDS)


def _is_overdue(pod: ChildPod, ages: Ages) -> bool:
    return pod.identity.deleted_at is not None and ages.of("deleted", pod.identity.uid) >= OVERDUE_SECONDS
