"""Builders for pods that meet the restricted Pod Security Standard, and waits for their end."""

from typing import Any

from kubernetes import client

from support.waiting import wait_for


def restricted_pod(name: str, image: str, program: str, **metadata: Any) -> dict[str, Any]:
    """Return a pod that runs a Python program once."""
    return {"metadata": {"name": name, **metadata}, "spec": restricted_spec(image, program)}


def restricted_spec(image: str, program: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["python3", "-u", "-c", program],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": "10m"}},
    }
    user = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "containers": [container], "securityContext": user}
    return {**spec, "terminationGracePeriodSeconds": 1}


def ended(core: client.CoreV1Api, namespace: str, name: str, seconds: float = 60) -> client.V1ContainerStateTerminated:
    """Wait for the end of a pod's container and return its final state."""

    def end() -> client.V1ContainerStateTerminated | None:
        statuses = core.read_namespaced_pod(name, namespace).status.container_statuses or []
        return statuses[0].state.terminated if statuses else None

    return wait_for(f"the end of pod {name}", end, seconds)


def runs(core: client.CoreV1Api, namespace: str, name: str) -> bool:
    statuses = core.read_namespaced_pod(name, namespace).status.container_statuses or []
    return bool(statuses) and bool(statuses[0].ready)
