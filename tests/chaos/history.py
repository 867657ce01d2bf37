"""What happened to the objects of a namespace, in the order in which the API server stored it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from posefleet_api.constants import COMPONENT_ATTEMPT, KIND, LABEL_ATTEMPT, LABEL_COMPONENT, LABEL_JOB

Manifest = dict[str, Any]
DELETED = "DELETED"


@dataclass(frozen=True)
class Change:
    """One change of one object."""

    #: When it was learned of, on the monotonic clock of the recording process.
    seconds: float
    kind: str
    event: str
    #: Resource version. Those of all kinds come from one counter, so they order changes of different objects.
    version: int
    manifest: Manifest

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.manifest["metadata"]["name"])

    @property
    def uid(self) -> str:
        """The object's uid."""
        return str(self.manifest["metadata"]["uid"])

    @property
    def job(self) -> str:
        """The name of the PoseTrainingJob that the object is or belongs to; empty if it belongs to none."""
        if self.kind == KIND:
            return self.name
        return str((self.manifest["metadata"].get("labels") or {}).get(LABEL_JOB, ""))

    @property
    def gang(self) -> tuple[int, str] | None:
        """The attempt's number and the uid of its Job, if this is a pod of an attempt."""
        labels = self.manifest["metadata"].get("labels") or {}
        if self.kind != "Pod" or labels.get(LABEL_COMPONENT) != COMPONENT_ATTEMPT:
            return None
        owners = self.manifest["metadata"].get("ownerReferences") or [{}]
        return int(labels[LABEL_ATTEMPT]), str(owners[0].get("uid", ""))

    @property
    def status(self) -> Manifest:
        """The object's status."""
        return self.manifest.get("status") or {}


@dataclass(frozen=True)
class DeadNode:
    """A machine that was switched off at ``seconds``, and with it all processes of the pods that it had."""

    name: str
    seconds: float


@dataclass
class History:
    """Changes, and what the test did to machines meanwhile."""

    changes: list[Change] = field(default_factory=list)
    dead_nodes: list[DeadNode] = field(default_factory=list)
    #: Kinds of which changes may be missing because the API server no longer had them, with the time.
    gaps: list[tuple[str, float]] = field(default_factory=list)

    def of_job(self, name: str) -> "History":
        """Return the part that concerns one PoseTrainingJob, in the order of the API server."""
        mine = sorted((change for change in self.changes if change.job == name), key=lambda change: change.version)
        return History(mine, self.dead_nodes, self.gaps)

    def statuses(self) -> Iterator[Manifest]:
        """Yield every status of the PoseTrainingJobs, the oldest first."""
        for change in self.changes:
            if change.kind == KIND and change.event != DELETED and change.status:
                yield change.status

    def pods(self) -> Iterator[Change]:
        """Yield the changes of the pods of attempts."""
        return (change for change in self.changes if change.gang is not None)

    def deaths(self) -> dict[str, float]:
        """Return when pods died with their nodes, by uid, although nothing was written about them."""
        found: dict[str, float] = {}
        seen: dict[str, float] = {}
        for pod in self.pods():
            node = (pod.manifest.get("spec") or {}).get("nodeName")
            since = seen.setdefault(pod.uid, pod.seconds)
            died = [dead.seconds for dead in self.dead_nodes if dead.name == node and dead.seconds >= since]
            if died:
                found.setdefault(pod.uid, min(died))
        return found


def runs(pod: Change) -> bool:
    """Return whether processes of a pod may run after this change of it, unless its node died."""
    if pod.event == DELETED or not (pod.manifest.get("spec") or {}).get("nodeName"):
        return False
    if pod.status.get("phase") in {"Succeeded", "Failed"}:
        return False
    states = [container.get("state") or {} for container in pod.status.get("containerStatuses") or ()]
    return not states or not all("terminated" in state for state in states)
