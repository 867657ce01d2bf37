"""Turns of a job's life as Kubernetes events."""

import hashlib
from datetime import timedelta

from posefleet_api.constants import API_VERSION, KIND
from posefleet_operator.children import Manifest
from posefleet_operator.observation import Observation
from posefleet_operator.policies.turns import Turn

CONTROLLER = "posefleet.io/operator"
_MAX_NOTE = 1000


def event_manifest(seen: Observation, turn: Turn, instance: str, order: int = 0) -> Manifest:
    """The event of a turn. Its name follows from the job and the turn: the API server keeps no second one.

    ``order`` is the turn's place among those of the same reconcile; their times differ by it.
    """
    namespace, name = seen.key
    digest = hashlib.sha256(f"{seen.uid}/{turn.identity}".encode()).hexdigest()[:16]
    note = turn.message.encode()[:_MAX_NOTE].decode(errors="ignore")
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{digest}", "namespace": namespace},
        "eventTime": (seen.now + timedelta(microseconds=order)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": turn.type,
        "reason": turn.reason,
        "action": turn.reason,
        "note": note or turn.reason,
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": namespace,
            "name": name,
            "uid": seen.uid,
            "resourceVersion": str(seen.manifest["metadata"].get("resourceVersion", "")),
        },
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
    }
