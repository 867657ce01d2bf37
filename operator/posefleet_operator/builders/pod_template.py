"""The pod of a trainer, for the preparation and for attempts: template, environment, volumes and ConfigMap."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from posefleet_api.constants import (
    CA_DIRECTORY,
    CACHE_DIRECTORY,
    CONFIG_DIRECTORY,
    ENV_ACCESS_KEY,
    ENV_CA_FILE,
    ENV_CACHE_BYTES,
    ENV_CACHE_DIRECTORY,
    ENV_NUMBER,
    ENV_POD_IP,
    ENV_SECRET_KEY,
    ENV_SESSION_TOKEN,
    ENV_TERMINATION_LOG,
    JOB_FILE,
    TERMINATION_GRACE_SECONDS,
    TERMINATION_LOG,
    TRAINER_PORT,
    TRAINER_PORT_NAME,
)
from posefleet_api.dataset import Storage
from posefleet_api.job import PoseTrainingJob
from posefleet_api.outcomes import ExitCode
from posefleet_api.pod import PodOptions
from posefleet_api.values import quantity_bytes
from posefleet_operator.builders.names import labels, metadata
from posefleet_operator.cluster.child_pods import CONTAINER
from posefleet_operator.cluster.objects import Manifest, child_name
from posefleet_operator.settings import Settings

_TEMPORARY_BYTES = "1Gi"
#: How containers end that are asked to stop, and then their peers.
_STOPPED = (ExitCode.PREEMPTED.value, ExitCode.PEER_LOST.value, 137, 143)
#: Added to the size of the cache for checkpoints and labelled videos that are waiting to be uploaded.
_UPLOADS_BYTES = 8 * 2**30


@dataclass(frozen=True)
class Role:
    """What differs between a pod of the preparation and a pod of an attempt."""

    component: str
    number: int
    command: list[str]
    resources: Manifest
    environment: list[Manifest]
    #: Fields that only this role adds to the pod spec.
    pod: Manifest
    #: Names of nodes on which the pod runs only if no other node has room.
    avoided_nodes: tuple[str, ...] = ()


def pod_template(job: PoseTrainingJob, role: Role, settings: Settings) -> Manifest:
    """Return the pod template: the job's own ``spec.pod``, overridden by what a trainer needs."""
    own = job.spec.pod
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": TERMINATION_GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _pod_security(settings),
        "nodeSelector": own.part("nodeSelector"),
        "tolerations": own.part("tolerations"),
        "affinity": _affinity(own, role.avoided_nodes),
        "imagePullSecrets": own.part("imagePullSecrets"),
        "serviceAccountName": own.part("serviceAccountName"),
        "priorityClassName": own.part("priorityClassName"),
        "runtimeClassName": own.part("runtimeClassName"),
        "volumes": [*_volumes(job, role), *(own.part("volumes") or [])],
        "containers": [_container(job, role, settings)],
        **role.pod,
    }
    return {
        "metadata": {
            "labels": {**own.labels, **labels(job, role.component, role.number)},
            "annotations": dict(own.annotations),
        },
        "spec": {name: value for name, value in spec.items() if value is not None},
    }


def pod_failure_policy(queued: bool = False) -> Manifest:
    """Return the ``podFailurePolicy`` of a Job that fails with its first pod.

    Each rule fails the Job, as its ``backoffLimit`` of 0 would. In addition the Job then records the exit code of the
    pod in its condition Failed, where it can still be read when the pod is gone. The codes that end the whole
    PoseTrainingJob come first.

    A Job of a queue survives that Kueue suspends it: the exit codes of pods that are asked to stop only count, and the
    pods of a suspended Job do not. Pods that end with these codes for another reason fail it through ``backoffLimit``.
    """

    def on_exit(operator: str, *values: int, action: str = "FailJob") -> Manifest:
        codes = {"containerName": CONTAINER, "operator": operator, "values": list(values)}
        return {"action": action, "onExitCodes": codes}

    disrupted = {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    return {
        "rules": [
            on_exit("In", ExitCode.INVALID_INPUT.value),
            disrupted,
            *([on_exit("In", *_STOPPED, action="Count")] if queued else []),
            on_exit("NotIn", ExitCode.SUCCEEDED.value),
        ]
    }


def _container(job: PoseTrainingJob, role: Role, settings: Settings) -> Manifest:
    own = job.spec.pod
    return {
        "name": CONTAINER,
        "image": settings.trainer_image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": role.command,
        "env": [*environment(job), _number(job, role), *role.environment, *(own.part("env") or [])],
        "ports": [{"name": TRAINER_PORT_NAME, "containerPort": TRAINER_PORT}],
        "resources": role.resources,
        "terminationMessagePath": TERMINATION_LOG,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "posefleet-job", "mountPath": CONFIG_DIRECTORY, "readOnly": True},
            {"name": "posefleet-cache", "mountPath": CACHE_DIRECTORY},
            {"name": "posefleet-tmp", "mountPath": "/tmp"},  # noqa: S108  an emptyDir of the pod's own
            {"name": "posefleet-shm", "mountPath": "/dev/shm"},  # noqa: S108  likewise
            *(own.part("volumeMounts") or []),
        ],
    }


def _affinity(own: PodOptions, avoided_nodes: Sequence[str]) -> Manifest | None:
    affinity: Manifest = {}
    if own.node_affinity:
        terms = [{"matchExpressions": own.part("nodeAffinity")}]
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    if avoided_nodes:
        # A node's name need not be its label kubernetes.io/hostname. A field can be compared with one value only.
        others = [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in avoided_nodes]
        preference = {"weight": 100, "preference": {"matchFields": others}}
        affinity["preferredDuringSchedulingIgnoredDuringExecution"] = [preference]
    return {"nodeAffinity": affinity} if affinity else None


def _number(job: PoseTrainingJob, role: Role) -> Manifest:
    """Return the number of the attempt. It is in the ConfigMap, because a later attempt may take over the Job."""
    name = child_name(job.metadata.name, role.component, role.number)
    return {"name": ENV_NUMBER, "valueFrom": {"configMapKeyRef": {"name": name, "key": NUMBER_KEY}}}


def _volumes(job: PoseTrainingJob, role: Role) -> list[Manifest]:
    """Return the volumes for configuration and cache, and for the two folders that libraries write to.

    The root file system is read-only. Shared memory counts against the pod's memory limit, so it is limited to half of
    that: a library that fills it gets an error, and the pod is not killed.
    """
    name = child_name(job.metadata.name, role.component, role.number)
    sources: list[Manifest] = [{"configMap": {"name": name, "items": [{"key": JOB_KEY, "path": JOB_KEY}]}}]
    if job.spec.storage is not None and job.spec.storage.ca_secret_ref is not None:
        certificate = {"key": "ca.crt", "path": "ca/ca.crt"}
        sources.append({"secret": {"name": job.spec.storage.ca_secret_ref.name, "items": [certificate]}})
    resources = job.spec.resources
    cache = str(quantity_bytes(resources.cache_per_node) + _UPLOADS_BYTES)
    shared_memory = str(quantity_bytes(resources.memory_per_node) // 2)
    return [
        {"name": "posefleet-job", "projected": {"sources": sources}},
        {"name": "posefleet-cache", "emptyDir": {"sizeLimit": cache}},
        {"name": "posefleet-tmp", "emptyDir": {"sizeLimit": _TEMPORARY_BYTES}},
        {"name": "posefleet-shm", "emptyDir": {"medium": "Memory", "sizeLimit": shared_memory}},
    ]


def _pod_security(settings: Settings) -> Manifest:
    """Return the security context that the ``restricted`` Pod Security Standard asks for."""
    return {
        "runAsNonRoot": True,
        "runAsUser": settings.run_as_user,
        "runAsGroup": settings.run_as_user,
        "fsGroup": settings.run_as_user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


JOB_KEY = PurePosixPath(JOB_FILE).name
NUMBER_KEY = "number"


def job_config(job: PoseTrainingJob, component: str, number: int, name: str = "") -> Manifest:
    """Return the ConfigMap with the number of the attempt, and with the job as JSON: the spec with all defaults, and
    the status that the trainer needs.

    ``name`` is that of an earlier attempt, whose Job, with its ConfigMap, this one has taken over.
    """
    described = metadata(job, component, number)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**described, "name": name or described["name"]},
        "data": {JOB_KEY: job.to_json(), NUMBER_KEY: str(number)},
    }


def environment(job: PoseTrainingJob) -> list[Manifest]:
    """Return the environment of every trainer process. Credentials are references to the job's Secret."""
    variables: list[Manifest] = [
        {"name": ENV_POD_IP, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": ENV_CACHE_DIRECTORY, "value": CACHE_DIRECTORY},
        {"name": ENV_CACHE_BYTES, "value": str(quantity_bytes(job.spec.resources.cache_per_node))},
        {"name": ENV_TERMINATION_LOG, "value": TERMINATION_LOG},
        # The root file system is read-only, and libraries write to the home directory.
        {"name": "HOME", "value": "/tmp"},  # noqa: S108  an emptyDir of the pod's own
    ]
    return variables + (_store_access(job.spec.storage) if job.spec.storage is not None else [])


def _store_access(storage: Storage) -> list[Manifest]:
    variables: list[Manifest] = []
    if storage.credentials_secret_ref is not None:
        secret = storage.credentials_secret_ref.name
        variables.append(_from_secret(ENV_ACCESS_KEY, secret))
        variables.append(_from_secret(ENV_SECRET_KEY, secret))
        variables.append(_from_secret(ENV_SESSION_TOKEN, secret, optional=True))
    if storage.ca_secret_ref is not None:
        variables.append({"name": ENV_CA_FILE, "value": f"{CA_DIRECTORY}/ca.crt"})
    return variables


def _from_secret(variable: str, secret: str, optional: bool = False) -> Manifest:
    reference: Manifest = {"name": secret, "key": variable}
    if optional:
        reference["optional"] = True
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}
