"""What the operator reads of the Jobs and Pods that belong to a job: small typed values instead of whole objects."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

from posefleet_api.constants import (
    ANNOTATION_FINGERPRINT,
    ANNOTATION_GPUS,
    ANNOTATION_SHAPE,
    LABEL_ATTEMPT,
    LABEL_COMPONENT,
    LABEL_JOB,
    LABEL_JOB_UID,
)
from posefleet_operator.timestamps import from_timestamp

Manifest = dict[str, Any]
#: Namespace and name of a PoseTrainingJob.
Key = tuple[str, str]

#: The trainer's container; whatever else a cluster injects into its pods is passed over.
CONTAINER: Final = "trainer"

#: The kubelet says it when volumes are mounted and the network is there, before it pulls images.
_READY_TO_START: Final = "PodReadyToStartContainers"
_INDEX: Final = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True)
class Identity:
    """What every child says of itself and of the job that it belongs to."""

    name: str
    uid: str
    #: Of the API server's history: a larger one is newer.
    version: int
    owner: Key
    owner_uid: str
    component: str
    #: The attempt, or the try of the prepare Job.
    number: int
    deleted_at: datetime | None

    @classmethod
    def read(cls, manifest: Manifest) -> Self:
        metadata = manifest["metadata"]
        labels = metadata.get("labels") or {}
        return cls(
            name=metadata["name"],
            uid=metadata.get("uid", ""),
            version=version_of(manifest),
            owner=(metadata.get("namespace", ""), labels.get(LABEL_JOB, "")),
            owner_uid=labels.get(LABEL_JOB_UID, ""),
            component=labels.get(LABEL_COMPONENT, ""),
            number=_number(labels.get(LABEL_ATTEMPT)),
            deleted_at=from_timestamp(metadata.get("deletionTimestamp")),
        )


@dataclass(frozen=True)
class ChildJob:
    """A batch Job of a prepare try or of an attempt."""

    identity: Identity
    created: datetime | None
    #: When it was admitted last; a Job that is suspended has no such time.
    started: datetime | None
    suspended: bool
    complete: bool
    failed: bool
    finished_at: datetime | None
    #: Pods that the Job controller has counted as ended.
    ended_pods: int
    completions: int
    #: Of the whole gang.
    gpus: int
    fingerprint: str
    #: What shaped its pods; empty if an earlier version made it.
    shape: str

    @property
    def finished(self) -> bool:
        """Whether the Job controller is done with it, and so with its pods."""
        return self.complete or self.failed

    @property
    def unfinished(self) -> bool:
        """Whether it may still have, or create, pods and nobody has asked for its end."""
        return not self.finished and self.identity.deleted_at is None

    def after_deletion(self) -> Self | None:
        """Nothing: a Job that is gone has nothing more to say."""
        return None

    @classmethod
    def read(cls, manifest: Manifest) -> Self:
        """The values of a ``batch/v1`` Job."""
        metadata, status = manifest["metadata"], manifest.get("status") or {}
        annotations = metadata.get("annotations") or {}
        conditions = _conditions(status)
        spec = manifest.get("spec") or {}
        ending = conditions.get("Complete") or conditions.get("Failed") or {}
        return cls(
            identity=Identity.read(manifest),
            created=from_timestamp(metadata.get("creationTimestamp")),
            started=from_timestamp(status.get("startTime")),
            suspended=bool(spec.get("suspend")),
            complete="Complete" in conditions,
            failed="Failed" in conditions,
            finished_at=from_timestamp(ending.get("lastTransitionTime")),
            ended_pods=int(status.get("failed") or 0) + int(status.get("succeeded") or 0),
            completions=int(spec.get("completions") or 1),
            gpus=_number(annotations.get(ANNOTATION_GPUS)),
            fingerprint=annotations.get(ANNOTATION_FINGERPRINT, ""),
            shape=annotations.get(ANNOTATION_SHAPE, ""),
        )


@dataclass(frozen=True)
class Termination:
    """How a trainer's container ended."""

    exit_code: int
    reason: str
    #: What it wrote to its termination log.
    text: str
    finished_at: datetime | None


@dataclass(frozen=True)
class ChildPod:
    """A pod of a prepare Job or of an attempt."""

    identity: Identity
    rank: int
    phase: str
    ip: str
    node: str
    #: Why the pod as a whole ended or waits, in the kubelet's words.
    reason: str
    message: str
    #: ``REASON: MESSAGE`` of the condition DisruptionTarget, if the cluster took the pod away.
    disruption: str
    #: Why the scheduler finds no node, empty when it found one.
    unschedulable: str
    waiting_reason: str
    waiting_message: str
    #: Since when its node has not got volumes and network ready for it; None once it has, or where no node says so.
    unready_since: datetime | None
    created: datetime | None
    started_at: datetime | None
    end: Termination | None
    #: The API server no longer has it; these are its last words.
    gone: bool = False

    @property
    def active(self) -> bool:
        """Whether its processes may still run."""
        return not self.gone and self.phase not in {"Succeeded", "Failed"}

    @property
    def running(self) -> bool:
        """Whether its trainer runs."""
        return self.active and self.started_at is not None and self.end is None

    def after_deletion(self) -> Self:
        """The last words of a pod that is gone."""
        return replace(self, gone=True)

    @classmethod
    def read(cls, manifest: Manifest) -> Self:
        """The values of a ``v1`` Pod."""
        metadata, status = manifest["metadata"], manifest.get("status") or {}
        conditions = _conditions(status)
        state = _container_state(status)
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        lacking = _conditions(status, "False")
        return cls(
            identity=Identity.read(manifest),
            rank=_number((metadata.get("annotations") or {}).get(_INDEX)),
            phase=status.get("phase", "Pending"),
            ip=status.get("podIP", ""),
            node=(manifest.get("spec") or {}).get("nodeName", ""),
            reason=status.get("reason", ""),
            message=status.get("message", ""),
            disruption=_sentence(conditions.get("DisruptionTarget")),
            unschedulable=(lacking.get("PodScheduled") or {}).get("message", ""),
            waiting_reason=waiting.get("reason", ""),
            waiting_message=waiting.get("message", ""),
            unready_since=from_timestamp((lacking.get(_READY_TO_START) or {}).get("lastTransitionTime")),
            created=from_timestamp(metadata.get("creationTimestamp")),
            started_at=from_timestamp((state.get("running") or ended or {}).get("startedAt")),
            end=_termination(ended),
        )


def version_of(manifest: Manifest) -> int:
    """The resourceVersion as a number; 0 for one that is not a number."""
    text = str(manifest["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0


def _conditions(status: Manifest, wanted: str = "True") -> dict[str, Manifest]:
    return {c["type"]: c for c in status.get("conditions") or () if c.get("status") == wanted}


def _container_state(status: Manifest) -> Manifest:
    states = {c["name"]: c.get("state") or {} for c in status.get("containerStatuses") or ()}
    return states.get(CONTAINER, {})


def _termination(state: Manifest | None) -> Termination | None:
    if not state:
        return None
    return Termination(
        exit_code=int(state.get("exitCode", 0)),
        reason=state.get("reason", ""),
        text=state.get("message", ""),
        finished_at=from_timestamp(state.get("finishedAt")),
    )


def _sentence(condition: Manifest | None) -> str:
    if condition is None:
        return ""
    return f"{condition.get('reason', 'Disrupted')}: {condition.get('message', '')}".rstrip(": ")


def _number(text: Any) -> int:
    """0 for what is not a number of a sane size; anybody may write annotations."""
    return int(text) if re.fullmatch("[0-9]{1,9}", str(text)) else 0
