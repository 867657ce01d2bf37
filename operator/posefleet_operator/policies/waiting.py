"""What a job waits for: what keeps pods from running, and what keeps new pods from being created.

The operator reads neither Secrets nor the events of pods. That a Secret is missing shows in the status of a pod: the
kubelet names a Secret that the environment refers to. A Secret that a volume refers to keeps the node from preparing
the pod, which the kubelet reports before it pulls any image.
"""

import re
from collections.abc import Mapping, Sequence

from posefleet_api.constants import COMPONENT_ATTEMPT, ENV_ACCESS_KEY, ENV_SECRET_KEY
from posefleet_api.dataset import Storage
from posefleet_operator import reasons
from posefleet_operator.cluster.ages import Ages
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.foreign_reasons import reason_named
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Waiting
from posefleet_operator.policies.lost_nodes import node_lost, overdue_pods, unreachable_pods, waited_for
from posefleet_operator.policies.refusals import remedy_for

WAITING_FOR_QUEUE = Waiting(reasons.WAITING_FOR_QUEUE, "waiting for Kueue to admit the job to spec.queue")
#: A pod that takes longer to start is named in the condition.
SLOW_START_SECONDS = 120.0
#: Mounting volumes takes a second or two.
_SLOW_VOLUMES_SECONDS = 10.0
_OLD_PODS_SECONDS = 5.0
#: The Job controller creates pods at once. If some are missing after this time, it is asked why.
_CREATION_SECONDS = 1.0
_LOOK_FOR_PODS_SECONDS = 2.0
_REFUSED_SECONDS = 30.0
_IMAGE_REASONS = frozenset(
    {
        reasons.ERR_IMAGE_PULL.name,
        reasons.IMAGE_PULL_BACK_OFF.name,
        reasons.INVALID_IMAGE_NAME.name,
        reasons.ERR_IMAGE_NEVER_PULL.name,
    }
)
_CONFIGURATION_REASONS = frozenset({reasons.CREATE_CONTAINER_CONFIG_ERROR.name, reasons.CREATE_CONTAINER_ERROR.name})


def why_waiting(
    job: ChildJob | None, pods: Sequence[ChildPod], nodes: int, storage: Storage | None, ages: Ages
) -> Waiting:
    """Return why not all ``nodes`` pods of a child Job run.

    Args:
        job: the Job, or None if it does not exist.
        pods: its pods.
        nodes: the number of pods that it should have.
        storage: names the Secrets that the pods need.
        ages: for how long what is seen has been so.
    """
    if job is not None and job.suspended:
        return WAITING_FOR_QUEUE
    if job is not None and not pods and ages.of("created", job.identity.uid) >= SLOW_START_SECONDS:
        name = job.identity.name
        return Waiting(reasons.SLOW_START, f"Job {name} has no pods; `kubectl describe job {name}` says why")
    if (stuck := _stuck(pods, ages)) is not None:
        return stuck
    secrets = _secrets(storage)
    for pod in pods:
        if trouble := _trouble(pod, secrets) or _missing_volume(pod, storage, secrets, ages):
            return trouble
    starting = [pod for pod in pods if _is_starting(pod)]
    slow = [pod for pod in starting if ages.of("created", pod.identity.uid) >= SLOW_START_SECONDS]
    if slow:
        name = slow[0].identity.name
        return Waiting(reasons.SLOW_START, f"pod {name} takes long to start; `kubectl describe pod {name}` says why")
    running = sum(pod.running for pod in pods)
    soon = _LOOK_FOR_PODS_SECONDS if len(pods) < nodes else _SLOW_VOLUMES_SECONDS
    return Waiting(reasons.PODS_STARTING, f"{running} of {nodes} pods run", soon)


def pods_refused(seen: Observation, job: ChildJob | None, pods: Sequence[ChildPod]) -> Waiting | None:
    """Return the wait for pods of a child Job that the API server refuses, or None if it refuses none."""
    if job is None or not seen.pod_refusal or len(pods) >= job.completions:
        return None
    message = f"the API server refuses pods of Job {job.identity.name}: {seen.pod_refusal}"
    return Waiting(reasons.REFUSED, f"{message}; {remedy_for(seen.pod_refusal)}", _LOOK_FOR_PODS_SECONDS)


def may_lack_pods(job: ChildJob, pods: Sequence[ChildPod], ages: Ages) -> bool:
    """Return whether the Job controller has had the time to create the pods of a Job, and has not created all."""
    active = job.unfinished and not job.suspended and len(pods) < job.completions
    return active and ages.of("admitted", job.identity.uid) >= _CREATION_SECONDS


def may_lack_config(seen: Observation, job: ChildJob, pods: Sequence[ChildPod]) -> bool:
    """Return whether pods may wait for the ConfigMap of a child Job, which somebody may have deleted.

    Only the ConfigMap of an unchanged manifest can be created again: pods of one Job must not read different ones.
    """
    if seen.unknown_fields or seen.changed_parts(job):
        return False
    return any(_lacks_volumes(pod, seen.ages) for pod in pods)


def what_blocks_creation(seen: Observation) -> Waiting | None:
    """Return what has to go away before a child Job may be created, or None if nothing has to.

    Two gangs must never train at the same time, so whatever may still run of a former one is waited for. The exception
    are pods on a lost node for which nobody waits any longer.
    """
    if seen.refusal is not None:
        return Waiting(seen.refusal.reason, seen.refusal.message, _REFUSED_SECONDS)
    if seen.unknown_fields:
        return Waiting(reasons.NOT_UNDERSTOOD, not_understood_message(seen), requeue_seconds=None)
    if seen.incomplete:
        message = f"{seen.incomplete} (the operator's trainer defaults have changed)"
        return Waiting(reasons.INCOMPLETE, message, requeue_seconds=None)
    if blockers := (*seen.leftovers_of_namesake(), *_former_gang(seen)):
        late, unreachable = overdue_pods(seen.pods, seen.ages), unreachable_pods(seen.pods)
        return node_lost(unreachable) if unreachable and not late else waiting_for_pods(blockers, late)
    return None


def not_understood_message(seen: Observation) -> str:
    """Return what this version does not understand in the manifest, with the remedy."""
    message = f"this version of the operator does not understand the manifest: {seen.unknown_fields}"
    return f"{message}; {reasons.NOT_UNDERSTOOD.remedy}"


def _stuck(pods: Sequence[ChildPod], ages: Ages) -> Waiting | None:
    """Return the wait for pods that nobody can see end, or None if there are none."""
    if unreachable := unreachable_pods(pods):
        return node_lost(unreachable)
    if late := overdue_pods(pods, ages):
        return waiting_for_pods([f"pod {pod.identity.name}" for pod in late], late)
    return None


def waiting_for_pods(names: Sequence[str], late: Sequence[ChildPod]) -> Waiting:
    """Return the wait for old pods to end: those in ``names`` still run, and those in ``late`` are overdue."""
    reason = reasons.WAITING_FOR_OLD_PODS if late else reasons.STOPPING_OLD_PODS
    return Waiting(reason, f"waiting for {', '.join(names[:4])}; {reason.remedy}", _OLD_PODS_SECONDS)


def _former_gang(seen: Observation) -> tuple[str, ...]:
    own = [p for p in seen.pods if p.identity.component == COMPONENT_ATTEMPT and p.identity.owner_uid == seen.uid]
    jobs, pods = waited_for(seen.own_jobs(COMPONENT_ATTEMPT), own, seen.ages)
    return (*(f"Job {job.identity.name}" for job in jobs), *(f"pod {pod.identity.name}" for pod in pods))


def _trouble(pod: ChildPod, secrets: Mapping[str, str]) -> Waiting | None:
    """Return what the scheduler or the kubelet says against starting a pod, with the remedy."""
    name = pod.identity.name
    if pod.unschedulable:
        why = pod.unschedulable.rstrip(".")
        return Waiting(reasons.UNSCHEDULABLE, f"no node takes pod {name}: {why}; {reasons.UNSCHEDULABLE.remedy}")
    reason = reason_named(pod.waiting_reason)
    if reason.name in _IMAGE_REASONS:
        return Waiting(reason, f"pod {name} cannot get its image: {pod.waiting_message}; {reason.remedy}")
    if reason.name in _CONFIGURATION_REASONS:
        named = (secret for secret in secrets if re.search(rf"[\"/]{re.escape(secret)}([\"\s]|$)", pod.waiting_message))
        remedy = _creation(next(named, ""), secrets, pod) or reason.remedy
        text = f"pod {name} cannot start: {pod.waiting_message}; {remedy}, and it starts by itself"
        return Waiting(reason, text)
    return None


def _missing_volume(pod: ChildPod, storage: Storage | None, secrets: Mapping[str, str], ages: Ages) -> Waiting | None:
    """Return the wait for a pod whose volumes the node cannot mount, if that may be for lack of the CA's Secret."""
    if storage is None or storage.ca_secret_ref is None or not _lacks_volumes(pod, ages):
        return None
    name, creation = pod.identity.name, _creation(storage.ca_secret_ref.name, secrets, pod)
    return Waiting(
        reasons.VOLUMES_MISSING,
        f"node {pod.node} cannot mount the volumes of pod {name}; if that Secret does not exist yet, {creation}, "
        f"and the pod starts by itself; otherwise `kubectl describe pod {name}` says why",
    )


def _lacks_volumes(pod: ChildPod, ages: Ages) -> bool:
    if not _is_starting(pod) or not pod.node or pod.unready_since is None:
        return False
    return ages.of("unmounted", pod.identity.uid) >= _SLOW_VOLUMES_SECONDS


def _secrets(storage: Storage | None) -> dict[str, str]:
    """Return the Secrets that a store needs, by name, with the keys that each must hold."""
    if storage is None:
        return {}
    needs = (
        (
            storage.credentials_secret_ref,
            f"the keys {ENV_ACCESS_KEY} and {ENV_SECRET_KEY} (spec.storage.credentialsSecretRef)",
        ),
        (storage.ca_secret_ref, "the key ca.crt (spec.storage.caSecretRef)"),
    )
    keys: dict[str, str] = {}
    for reference, text in needs:
        if reference is not None:
            name = reference.name
            keys[name] = f"{keys[name]} and {text}" if name in keys else text
    return keys


def _creation(secret: str, secrets: Mapping[str, str], pod: ChildPod) -> str:
    if secret not in secrets:
        return ""
    return f"create the Secret {secret} in namespace {pod.identity.owner[0]} with {secrets[secret]}"


def _is_starting(pod: ChildPod) -> bool:
    return pod.active and not pod.running
