"""Why pods that should run do not run yet, in words that say what to do.

The operator reads neither Secrets nor the events of pods. That a Secret is missing shows in what a pod's status says:
one that the environment refers to is named there; one that a volume refers to keeps the node from getting ready for
the pod, which it says before it pulls any image.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from posefleet_api.constants import COMPONENT_ATTEMPT, ENV_ACCESS_KEY, ENV_SECRET_KEY, TERMINATION_GRACE_SECONDS
from posefleet_api.dataset import Storage
from posefleet_api.status import ConditionType
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan

#: A pod that needs longer to start is mentioned by name.
SLOW_START_SECONDS = 120.0
_OVERDUE_SECONDS = TERMINATION_GRACE_SECONDS + 60
#: Mounting volumes takes a second or two.
_SLOW_VOLUMES_SECONDS = 10.0
_OLD_PODS_SECONDS = 5.0
_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_CONFIGURATION = frozenset({"CreateContainerConfigError", "CreateContainerError"})
#: Reasons that a person has to do something about.
TROUBLES = frozenset(
    {"Unschedulable", "SlowStart", "WaitingForOldPods", "Incomplete", "VolumesMissing", *_IMAGE, *_CONFIGURATION}
)


@dataclass(frozen=True)
class Waiting:
    """Why a gang does not run, and when to look again, as nothing else may call for it."""

    reason: str
    message: str
    requeue_seconds: float = 30.0


def why_waiting(
    job: ChildJob | None, pods: Sequence[ChildPod], nodes: int, storage: Storage | None, now: datetime
) -> Waiting:
    """Why not all ``nodes`` pods of a child Job run. ``storage`` names the Secrets that they need."""
    if job is not None and job.suspended:
        return Waiting("WaitingForQueue", "waiting to be admitted by Kueue through spec.queue")
    if job is not None and not pods and _older(job.created, now, SLOW_START_SECONDS):
        name = job.identity.name
        return Waiting("SlowStart", f"Job {name} has no pods; `kubectl describe job {name}` says why")
    if late := overdue_pods(pods, now):
        return waiting_for_pods([f"pod {pod.identity.name}" for pod in late], late)
    secrets = _secrets(storage)
    for pod in pods:
        if trouble := _trouble(pod, secrets) or _missing_volume(pod, storage, secrets, now):
            return trouble
    slow = [pod for pod in pods if _starting(pod) and _older(pod.created, now, SLOW_START_SECONDS)]
    if slow:
        name = slow[0].identity.name
        return Waiting("SlowStart", f"pod {name} takes long to start; `kubectl describe pod {name}` says why")
    running = sum(pod.running for pod in pods)
    return Waiting("PodsStarting", f"{running} of {nodes} pods run", _SLOW_VOLUMES_SECONDS)


def overdue_pods(pods: Sequence[ChildPod], now: datetime) -> tuple[ChildPod, ...]:
    """Pods that should have ended long ago, as on a node that is gone."""
    return tuple(pod for pod in pods if pod.active and _older(pod.identity.deleted_at, now, _OVERDUE_SECONDS))


def waiting_for_pods(names: Sequence[str], late: Sequence[ChildPod]) -> Waiting:
    """What keeps the next pods from starting: ``names`` still run, those of ``late`` for too long."""
    reason, remedy = "StoppingOldPods", "the next ones start when these have ended"
    if late:
        reason = "WaitingForOldPods"
        remedy = "if their node is gone for good, delete them with `kubectl delete --force`"
    return Waiting(reason, f"waiting for {', '.join(names[:4])}; {remedy}", _OLD_PODS_SECONDS)


def _trouble(pod: ChildPod, secrets: Mapping[str, str]) -> Waiting | None:
    name = pod.identity.name
    if pod.unschedulable:
        remedy = "it starts as soon as a node has room; else change spec.resources or the queue"
        return Waiting("Unschedulable", f"no node takes pod {name}: {pod.unschedulable.rstrip('.')}; {remedy}")
    if pod.waiting_reason in _IMAGE:
        remedy = "correct the operator's trainer image, or podTemplate.imagePullSecrets"
        return Waiting(pod.waiting_reason, f"pod {name} cannot get its image: {pod.waiting_message}; {remedy}")
    if pod.waiting_reason in _CONFIGURATION:
        named = (secret for secret in secrets if re.search(rf"[\"/]{re.escape(secret)}([\"\s]|$)", pod.waiting_message))
        remedy = _creation(next(named, ""), secrets, pod) or "create what is missing"
        text = f"pod {name} cannot start: {pod.waiting_message}; {remedy}, and it starts by itself"
        return Waiting(pod.waiting_reason, text)
    return None


def _missing_volume(
    pod: ChildPod, storage: Storage | None, secrets: Mapping[str, str], now: datetime
) -> Waiting | None:
    """A pod whose node does not get ready for it, when the likely cause is the Secret that holds the store's CA."""
    if storage is None or not storage.ca_secret or not _starting(pod) or not pod.node:
        return None
    if not _older(pod.unready_since, now, _SLOW_VOLUMES_SECONDS):
        return None
    name, creation = pod.identity.name, _creation(storage.ca_secret, secrets, pod)
    return Waiting(
        "VolumesMissing",
        f"node {pod.node} cannot mount the volumes of pod {name}; if there is no such Secret yet, {creation}, "
        f"and the pod starts by itself; else `kubectl describe pod {name}` says why",
    )


def _secrets(storage: Storage | None) -> dict[str, str]:
    """The Secrets that a store needs, and what each must hold."""
    if storage is None:
        return {}
    needs = (
        (
            storage.credentials_secret,
            f"the keys {ENV_ACCESS_KEY} and {ENV_SECRET_KEY} (spec.storage.credentialsSecret)",
        ),
        (storage.ca_secret, "the key ca.crt (spec.storage.caSecret)"),
    )
    keys: dict[str, str] = {}
    for name, text in needs:
        if name:
            keys[name] = f"{keys[name]} and {text}" if name in keys else text
    return keys


def _creation(secret: str, secrets: Mapping[str, str], pod: ChildPod) -> str:
    if secret not in secrets:
        return ""
    return f"create the Secret {secret} in namespace {pod.identity.owner[0]} with {secrets[secret]}"


def _starting(pod: ChildPod) -> bool:
    return pod.active and not pod.running


def _older(since: datetime | None, now: datetime, seconds: float) -> bool:
    return since is not None and (now - since).total_seconds() >= seconds


_RETRY_REFUSED_SECONDS = 30.0


def may_create(seen: Observation, plan: Plan, kind: ConditionType) -> bool:
    """Whether nothing is in the way of a new child Job; if something is, condition ``kind`` says what.

    Two gangs must never write into the same output, so whatever may still run of a former one is waited for, on
    a lost node, too.
    """
    if seen.refusal:
        remedy = "correct spec.podTemplate or spec.resources, or ask who runs the cluster"
        plan.condition(kind, False, "Refused", f"{seen.refusal}; {remedy}")
        plan.requeue_within(_RETRY_REFUSED_SECONDS)
        return False
    if seen.incomplete:
        plan.condition(kind, False, "Incomplete", f"{seen.incomplete} (the operator's trainer defaults have changed)")
        return False
    if blockers := (*seen.leftovers_of_namesake(), *_former_gang(seen)):
        waiting = waiting_for_pods(blockers, overdue_pods(seen.pods, seen.now))
        plan.condition(kind, False, waiting.reason, waiting.message)
        plan.requeue_within(waiting.requeue_seconds)
        return False
    return True


def _former_gang(seen: Observation) -> tuple[str, ...]:
    jobs = (f"Job {j.identity.name}" for j in seen.own_jobs(COMPONENT_ATTEMPT) if not j.finished)
    pods = (p for p in seen.pods if p.identity.component == COMPONENT_ATTEMPT and p.identity.owner_uid == seen.uid)
    return (*jobs, *(f"pod {pod.identity.name}" for pod in pods if pod.active))
