"""How a child Job ended: what its pods say, and what the Job itself has recorded where pods are gone.

Pods can be gone before the operator has seen how they ended: a cluster autoscaler removes their node, the garbage
collection of pods removes those that have ended, and the operator may have been away. The Job outlives them. It is
Complete or Failed, and because of its ``podFailurePolicy`` the condition Failed names an exit code.
"""

import re
from collections.abc import Sequence

from posefleet_operator import reasons
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.policies.exit_outcomes import Ending, ending_of_exit_code, ending_of_gang, ending_of_pod

#: What the Job controller writes into the condition Failed of a Job that its ``podFailurePolicy`` ended.
_EXIT_CODE = re.compile(r"\bpod (?:\S+/)?(?P<pod>\S+) failed with exit code (?P<code>\d+)\b")
_DISRUPTED = re.compile(r"\bPod (?:\S+/)?(?P<pod>\S+) has condition DisruptionTarget\b")
#: Exit codes of pods that were deleted, or that lost a peer which was. They do not contradict a deletion.
_CODES_OF_DELETED_GANGS = frozenset({75, 76, 137, 143})


def ending_of_child_job(job: ChildJob | None, pods: Sequence[ChildPod], nodes: int, ran: bool = True) -> Ending:
    """Return how a child Job ended whose pods have all ended or are gone.

    A Job that Kubernetes reports as Complete has succeeded, whatever has become of its pods. Otherwise a pod that is
    known to have ended explains the end. Where none does, the Job's own record is used, and a Failed Job that says
    nothing counts as a failure.

    Args:
        job: the Job, or None if it was deleted.
        pods: its pods, with the last state of those that are gone.
        nodes: number of its pods.
        ran: whether all of them were seen to run.
    """
    from_pods = ending_of_gang(pods, nodes, job is None, ran)
    if job is None or from_pods.outcome == "Succeeded":
        return from_pods
    if job.complete:
        return _completed(job, pods)
    recorded, code = _recorded(job)
    if from_pods.reason.final or not (recorded.reason.final or _is_unexplained(from_pods, pods)):
        return from_pods
    if pods and not recorded.reason.final and (code is None or code in _CODES_OF_DELETED_GANGS):
        return from_pods
    return recorded


def _completed(job: ChildJob, pods: Sequence[ChildPod]) -> Ending:
    seen = [ending for ending in (ending_of_pod(pod) for pod in pods) if ending.outcome == "Succeeded"]
    message = (
        f"Job {job.identity.name} is complete; its pods were removed before the operator read their messages, so what "
        "they reported may be missing from the status, but their results are in the store"
    )
    return seen[0] if seen else Ending.of(reasons.COMPLETED, message)


def _is_unexplained(ending: Ending, pods: Sequence[ChildPod]) -> bool:
    """Return whether the pods only show that one of them is gone, and not that it was asked to stop."""
    if ending.reason != reasons.POD_DELETED:
        return False
    return not any(pod.end is not None and pod.identity.deleted_at is not None for pod in pods)


def _recorded(job: ChildJob) -> tuple[Ending, int | None]:
    """Return what a Failed Job says about its end, and the exit code if it names one."""
    text = job.ending_message
    if (match := _EXIT_CODE.search(text)) is not None:
        return ending_of_exit_code(match["pod"], int(match["code"])), int(match["code"])
    if (match := _DISRUPTED.search(text)) is not None:
        return Ending.of(reasons.DISRUPTED, f"pod {match['pod']} was removed by the cluster"), None
    said = ": ".join(part for part in (job.ending_reason, text) if part) or "no reason is given"
    message = f"Job {job.identity.name} failed, and its pods were removed before the operator saw how they ended"
    return Ending.of(reasons.JOB_FAILED, f"{message} ({said}); {reasons.JOB_FAILED.remedy}"), None
