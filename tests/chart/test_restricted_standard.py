"""The check for the restricted standard itself: it finds each thing that the standard forbids."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from chart.restricted import violations

Pod = dict[str, Any]
CONTAINER = {
    "name": "main",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}
POD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [CONTAINER],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


def _container(pod: Pod) -> Pod:
    return pod["containers"][0]


def _security(pod: Pod) -> Pod:
    return _container(pod)["securityContext"]


MISTAKES: dict[str, Callable[[Pod], object]] = {
    "hostNetwork is true": lambda pod: pod.update(hostNetwork=True),
    "sysctls are set": lambda pod: pod["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    "the pod runs as root": lambda pod: pod["securityContext"].update(runAsUser=0),
    "volume root is of kind hostPath": lambda pod: pod["volumes"].append({"name": "root", "hostPath": {"path": "/"}}),
    "container main is privileged": lambda pod: _security(pod).update(privileged=True),
    "container main may escalate its privileges": lambda pod: _security(pod).pop("allowPrivilegeEscalation"),
    "container main may run as root": lambda pod: pod["securityContext"].pop("runAsNonRoot"),
    "container main runs as root": lambda pod: _security(pod).update(runAsUser=0),
    "container main keeps capabilities": lambda pod: _security(pod).update(capabilities={"drop": ["CHOWN"]}),
    "container main adds capabilities": lambda pod: _security(pod)["capabilities"].update(add=["SYS_ADMIN"]),
    "container main has no seccomp profile": lambda pod: pod["securityContext"].pop("seccompProfile"),
    "container main sees all of /proc": lambda pod: _security(pod).update(procMount="Unmasked"),
    "container main takes a port of its host": lambda pod: _container(pod).update(ports=[{"hostPort": 80}]),
}


def test_a_restricted_pod_violates_nothing() -> None:
    assert violations(POD) == []


@pytest.mark.parametrize("sentence", MISTAKES)
def test_each_violation_is_found(sentence: str) -> None:
    pod = copy.deepcopy(POD)
    MISTAKES[sentence](pod)
    assert violations(pod) == [sentence]


def test_init_containers_are_looked_at_too() -> None:
    assert violations({**POD, "initContainers": [{"name": "first"}]}) == [
        "container first may escalate its privileges",
        "container first keeps capabilities",
    ]
