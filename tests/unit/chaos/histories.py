"""Builds histories of one job by hand."""

from itertools import count
from typing import Any, Self

from chaos.history import DELETED, Change, DeadNode, History
from posefleet_api.constants import KIND, LABEL_ATTEMPT, LABEL_COMPONENT, LABEL_JOB

JOB = "reaching"


class Recorded:
    """A history that grows by a change with each call."""

    def __init__(self) -> None:
        self._versions = count(100)
        self._history = History()
        self._attempts: list[dict[str, Any]] = []
        self._failed = 0

    def history(self) -> History:
        """Return what happened."""
        return self._history

    def status(self, phase: str = "Running", failed: int | None = None, **fields: Any) -> Self:
        """The operator writes a status with the attempts so far."""
        counted = sum(attempt.get("outcome") in {"Failed", "Stalled"} for attempt in self._attempts)
        attempts = [dict(attempt) for attempt in self._attempts]
        status = {"phase": phase, "attempts": attempts, "failedAttempts": counted if failed is None else failed}
        if phase in {"Succeeded", "Failed"}:
            status["completionTime"] = "2026-01-31T12:00:00Z"
        if phase == "Failed":
            status["conditions"] = [{"type": "Failed", "status": "True", "reason": "AttemptsExhausted"}]
        return self._change(KIND, "MODIFIED", JOB, {}, {**status, **fields})

    def begins(self, number: int) -> Self:
        """The operator records an attempt, and both of its pods run."""
        self._attempts.append({"number": number})
        self.status()
        return self.pod(number, 0, "Running").pod(number, 1, "Running")

    def ends(self, number: int, outcome: str, phase: str = "Failed") -> Self:
        """Both pods end, and the operator records how."""
        self.pod(number, 0, phase).pod(number, 1, phase)
        return self.outcome(number, outcome).status()

    def outcome(self, number: int, outcome: str) -> Self:
        """The next status says how an attempt ended."""
        next(attempt for attempt in self._attempts if attempt["number"] == number)["outcome"] = outcome
        return self

    def forget(self, number: int) -> Self:
        """The next status no longer has an attempt."""
        self._attempts = [attempt for attempt in self._attempts if attempt["number"] != number]
        return self

    def pod(self, attempt: int, rank: int, phase: str, node: str = "node-a", event: str = "MODIFIED") -> Self:
        """A pod of an attempt is in a phase."""
        labels = {LABEL_JOB: JOB, LABEL_COMPONENT: "attempt", LABEL_ATTEMPT: str(attempt)}
        name = f"{JOB}-a{attempt}-{rank}"
        metadata = {"labels": labels, "ownerReferences": [{"uid": f"gang-{attempt}"}]}
        return self._change("Pod", event, name, metadata, {"phase": phase}, {"nodeName": node})

    def gone(self, attempt: int, rank: int) -> Self:
        """A pod is deleted while it runs."""
        return self.pod(attempt, rank, "Running", event=DELETED)

    def node_dies(self, name: str = "node-a") -> Self:
        """A machine is switched off, and nothing is written about it."""
        self._history.dead_nodes.append(DeadNode(name, float(next(self._versions))))
        return self

    def _change(self, kind: str, event: str, name: str, metadata: Any, status: Any, spec: Any = None) -> Self:
        version = next(self._versions)
        known = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version), **metadata}
        manifest = {"metadata": known, "spec": spec or {}, "status": status}
        self._history.changes.append(Change(float(version), kind, event, version, manifest))
        return self
