"""Why pods that should run do not run yet, in words that say what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from posefleet_operator.children import ChildJob, ChildPod

#: A pod that needs longer to start is mentioned by name.
SLOW_START_SECONDS = 120.0

_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_CONFIGURATION = frozenset({"CreateContainerConfigError", "CreateContainerError"})
#: Reasons that a person has to do something about.
TROUBLES = frozenset({"Unschedulable", "SlowStart", "WaitingForOldPods", "Incomplete", *_IMAGE, *_CONFIGURATION})


@dataclass(frozen=True)
class Waiting:
    """Why a gang does not run."""

    reason: str
    message: str


def why_waiting(job: ChildJob | None, pods: Sequence[ChildPod], nodes: int, now: datetime) -> Waiting:
    """Why not all ``nodes`` pods of a child Job run."""
    if job is not None and job.suspended:
        return Waiting("WaitingForQueue", "waiting to be admitted by Kueue through spec.queue")
    if job is not None and not pods and _older(job.created, now):
        name = job.identity.name
        return Waiting("SlowStart", f"Job {name} has no pods; `kubectl describe job {name}` says why")
    for pod in pods:
        if trouble := _trouble(pod):
            return trouble
    slow = [pod for pod in pods if pod.active and not pod.running and _older(pod.created, now)]
    if slow:
        name = slow[0].identity.name
        return Waiting("SlowStart", f"pod {name} takes long to start; `kubectl describe pod {name}` says why")
    running = sum(pod.running for pod in pods)
    return Waiting("PodsStarting", f"{running} of {nodes} pods run")


def _trouble(pod: ChildPod) -> Waiting | None:
    name = pod.identity.name
    if pod.unschedulable:
        remedy = "it starts as soon as a node has room; else change spec.resources or the queue"
        return Waiting("Unschedulable", f"no node takes pod {name}: {pod.unschedulable.rstrip('.')}; {remedy}")
    if pod.waiting_reason in _IMAGE:
        remedy = "correct the operator's trainer image, or podTemplate.imagePullSecrets"
        return Waiting(pod.waiting_reason, f"pod {name} cannot get its image: {pod.waiting_message}; {remedy}")
    if pod.waiting_reason in _CONFIGURATION:
        remedy = "create what is missing and the pod starts by itself"
        return Waiting(pod.waiting_reason, f"pod {name} cannot start: {pod.waiting_message}; {remedy}")
    return None


def _older(created: datetime | None, now: datetime) -> bool:
    return created is not None and (now - created).total_seconds() > SLOW_START_SECONDS
