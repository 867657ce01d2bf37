"""The typed view of the pods that belong to a PoseTrainingJob."""

from dataclasses import dataclass, replace
from datetime import datetime
from sys import intern
from typing import Final, Self

from posefleet_operator import reasons
from posefleet_operator.cluster.objects import (
    Identity,
    Manifest,
    conditions_by_type,
    from_timestamp,
    parse_number,
    version_of,
)

#: Name of the trainer's container. Other containers, which a cluster may inject, are ignored.
CONTAINER: Final = "trainer"
#: The kubelet sets this condition when volumes and network are ready, before it pulls images.
_READY_TO_START: Final = "PodReadyToStartContainers"
#: What a kubelet says of a pod whose containers are ready and whose readiness gates are not.
_GATES_NOT_READY: Final = "ReadinessGatesNotReady"
_INDEX: Final = "batch.kubernetes.io/job-completion-index"


@dataclass(frozen=True, slots=True)
class Termination:
    """How a trainer's container ended."""

    exit_code: int
    reason: str
    #: What the container wrote to its termination log.
    text: str
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ChildPod:
    """A pod of an attempt, or of a try of the preparation."""

    identity: Identity
    rank: int
    phase: str
    ip: str
    node: str
    #: Why the pod as a whole ended or waits, as the kubelet reports it.
    reason: str
    message: str
    #: ``REASON: MESSAGE`` of the condition DisruptionTarget. Empty if the cluster has not removed the pod.
    disruption: str
    #: Whether its node has stopped answering to Kubernetes. Its processes may still run.
    unreachable: bool
    #: Why the scheduler finds no node. Empty if it has found one.
    unschedulable: str
    waiting_reason: str
    waiting_message: str
    #: Since when its node has been preparing volumes and network. None once they are ready, or if no node says so.
    unready_since: datetime | None
    created: datetime | None
    started_at: datetime | None
    end: Termination | None
    #: Resource versions at which the operator first saw it, saw that it was to be removed, and saw that it had ended.
    #: They order these facts, also those of different pods. 0 for what has not been seen.
    first_seen: int
    removal_seen: int
    end_seen: int
    #: Whether this is a tombstone, that is, the last state of a pod that the API server no longer has.
    gone: bool = False

    @property
    def active(self) -> bool:
        """Whether its processes may still run."""
        return not self.gone and self.phase not in {"Succeeded", "Failed"}

    @property
    def running(self) -> bool:
        """Whether its trainer runs."""
        return self.active and self.started_at is not None and self.end is None

    def following(self, earlier: Self | None, version: int) -> Self:
        """Return this state with the versions at which its facts were first seen.

        Args:
            earlier: what was known of the pod before, or of another one of the same name.
            version: resource version of the event, or of the list, that showed this state.
        """
        known = earlier if earlier is not None and earlier.identity.uid == self.identity.uid else None
        removed = self.identity.deleted_at is not None or bool(self.disruption)
        return replace(
            self,
            first_seen=(known and known.first_seen) or version,
            removal_seen=(known and known.removal_seen) or (version if removed else 0),
            end_seen=(known and known.end_seen) or (version if self.end is not None else 0),
        )

    def tombstone(self) -> Self:
        """Return the last state of a pod that has been deleted."""
        return replace(self, gone=True)

    @classmethod
    def read(cls, manifest: Manifest) -> Self:
        """Read the values of a ``v1`` Pod."""
        metadata, status = manifest["metadata"], manifest.get("status") or {}
        conditions = conditions_by_type(status)
        state = _container_state(status)
        waiting, ended = state.get("waiting") or {}, state.get("terminated")
        lacking = conditions_by_type(status, "False")
        return cls(
            identity=Identity.read(manifest),
            rank=parse_number((metadata.get("annotations") or {}).get(_INDEX)),
            phase=intern(status.get("phase", "Pending")),
            ip=status.get("podIP", ""),
            node=intern((manifest.get("spec") or {}).get("nodeName", "")),
            reason=status.get("reason", ""),
            message=status.get("message", ""),
            disruption=_sentence(conditions.get("DisruptionTarget")),
            unreachable=_is_unreachable(status),
            unschedulable=(lacking.get("PodScheduled") or {}).get("message", ""),
            waiting_reason=waiting.get("reason", ""),
            waiting_message=waiting.get("message", ""),
            unready_since=from_timestamp((lacking.get(_READY_TO_START) or {}).get("lastTransitionTime")),
            created=from_timestamp(metadata.get("creationTimestamp")),
            started_at=from_timestamp((state.get("running") or ended or {}).get("startedAt")),
            end=_termination(ended),
            first_seen=0,
            removal_seen=0,
            end_seen=0,
        ).following(None, version_of(manifest))


def _is_unreachable(status: Manifest) -> bool:
    """Return whether the node lifecycle controller, and not a kubelet, has marked a pod as not ready.

    A kubelet gives a reason, and never reports a pod as not ready whose containers are ready and that has no readiness
    gates.
    """
    if status.get("reason") == reasons.NODE_LOST.name:
        return True
    ready = {c["type"]: c for c in status.get("conditions") or () if c["type"] in {"Ready", "ContainersReady"}}
    own, containers = ready.get("Ready", {}), ready.get("ContainersReady", {})
    marked = own.get("status") in {"False", "Unknown"} and containers.get("status") == "True"
    return marked and own.get("reason", "") != _GATES_NOT_READY


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
    return f"{condition.get('reason', reasons.DISRUPTED)}: {condition.get('message', '')}".rstrip(": ")
