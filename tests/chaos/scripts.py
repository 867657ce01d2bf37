"""What acting trainers do in the operator's world, and how their jobs must go."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.checker import Expected

_DONE = {"exit": 0, "message": {"reason": "Completed", "message": "done"}}


@dataclass(frozen=True)
class Script:
    """A job whose trainers act."""

    act: Mapping[str, Any]
    expected: Expected
    nodes: int = 1
    max_failures: int = 3


def _crash(text: str, after: float = 2.0) -> dict[str, Any]:
    return {"exit": 1, "after": after, "message": {"reason": "Error", "message": text}}


#: By name, which is part of the job's name.
SCRIPTS: dict[str, Script] = {
    "plain": Script({"1": {**_DONE, "after": 4}}, Expected(script={1: "Succeeded"}, failures=(0, 0)), nodes=2),
    "crash": Script(
        {"prepare": {"exit": 0, "after": 1}, "1/1": _crash("boom"), "2": {**_DONE, "after": 2}},
        Expected(script={1: "Failed", 2: "Succeeded"}, failures=(1, 1)),
        nodes=2,
    ),
    "preempted": Script(
        {"1": {"exit": 75, "after": 1}, "2": {**_DONE, "after": 2}},
        Expected(script={1: "Preempted", 2: "Succeeded"}, failures=(0, 0)),
    ),
    "exhausted": Script(
        {"1": _crash("one"), "2": {"exit": 137, "after": 1}},
        Expected("Failed", "AttemptsExhausted", script={1: "Failed", 2: "Failed"}, failures=(2, 2)),
        max_failures=2,
    ),
    "invalid": Script(
        {"prepare": {"exit": 78, "after": 1, "message": {"reason": "InvalidInput", "message": "row 14 is wrong"}}},
        Expected("Failed", "InvalidInput", script={}, failures=(0, 0)),
    ),
    # Runs for much longer than its stallSeconds.
    "long": Script({"1": {**_DONE, "after": 30}}, Expected(script={1: "Succeeded"}, failures=(0, 0)), nodes=2),
    # Submitted at the moment of the fault.
    "canary": Script({"1": {**_DONE, "after": 1}}, Expected(script={1: "Succeeded"}, failures=(0, 0))),
}
#: Whichever attempt is disturbed, the next one does the same.
_STEADY = Script(
    {str(number): {**_DONE, "after": 5} for number in range(1, 10)},
    Expected(script=dict.fromkeys(range(1, 10), "Succeeded"), disturbed=frozenset({"Preempted"}), failures=(0, 0)),
    nodes=2,
)
SCRIPTS |= dict.fromkeys(("steady1", "steady2", "steady3"), _STEADY)
USUAL = ("plain", "crash", "preempted", "exhausted", "invalid")


def manifest(name: str, namespace: str, script: Script) -> dict[str, Any]:
    """A job whose trainers act by ``script``."""
    return {
        "apiVersion": "posefleet.io/v1alpha1",
        "kind": "PoseTrainingJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "dataset": {"uri": "s3://lab-data/mouse/"},
            "storage": {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "store"}},
            "output": {"uri": "s3://lab-results/reaching/"},
            "resources": {"nodes": script.nodes, "gpusPerNode": 0, "cpusPerNode": 1, "memoryPerNode": "1Gi"},
            "failurePolicy": {"backoffSeconds": 1, "stallSeconds": 10, "maxFailures": script.max_failures},
            "pod": {"env": [{"name": "ACT", "value": json.dumps(dict(script.act))}]},
        },
    }
