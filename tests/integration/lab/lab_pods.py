"""Builders for the pods of these tests, and waits for changes of their state."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from kubernetes import client

IMAGE = "posefleet-trainer:lab"
T = TypeVar("T")


def eventually(probe: Callable[[], T | None], what: str, seconds: float = 30.0) -> T:
    """Call ``probe`` until it returns a true value, and return that. Fail with ``what`` after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < deadline, f"not after {seconds} s: {what}"
        time.sleep(0.05)


class PodBuilder:
    """Builds a pod with one container, ``main``."""

    def __init__(self, script: str) -> None:
        self.container: dict[str, Any] = {"name": "main", "image": IMAGE, "command": ["sh", "-c", script]}
        self.spec: dict[str, Any] = {"restartPolicy": "Never", "containers": [self.container]}
        self.metadata: dict[str, Any] = {"name": "pod"}
        self.container["resources"] = {"requests": {"cpu": "10m"}}

    def named(self, name: str) -> "PodBuilder":
        self.metadata["name"] = name
        return self

    def labelled(self, **labels: str) -> "PodBuilder":
        self.metadata["labels"] = labels
        return self

    def with_container(self, **fields: Any) -> "PodBuilder":
        self.container.update(fields)
        return self

    def with_spec(self, **fields: Any) -> "PodBuilder":
        self.spec.update(fields)
        return self

    def with_volume(self, path: str, read_only: bool = False, **source: Any) -> "PodBuilder":
        name = f"volume-{len(self.spec.setdefault('volumes', []))}"
        self.spec["volumes"].append({"name": name, **source})
        mount = {"name": name, "mountPath": path, "readOnly": read_only}
        self.container.setdefault("volumeMounts", []).append(mount)
        return self

    def with_init(self, script: str, **fields: Any) -> "PodBuilder":
        container = {"name": f"init-{len(self.spec.setdefault('initContainers', []))}", "image": IMAGE}
        self.spec["initContainers"].append({**container, "command": ["sh", "-c", script], **fields})
        return self

    def template(self) -> dict[str, Any]:
        return {"metadata": self.metadata, "spec": self.spec}

    def create(self, kube: client.ApiClient, namespace: str) -> "PodHandle":
        client.CoreV1Api(kube).create_namespaced_pod(namespace, self.template())
        return PodHandle(kube, namespace, self.metadata["name"])


def a_pod(script: str = "exit 0") -> PodBuilder:
    """Return a builder of a pod whose container runs a shell script once."""
    return PodBuilder(script)


class PodHandle:
    """A pod in the API server."""

    def __init__(self, kube: client.ApiClient, namespace: str, name: str) -> None:
        self.core = client.CoreV1Api(kube)
        self.namespace, self.name = namespace, name

    def read(self) -> client.V1Pod:
        return self.core.read_namespaced_pod(self.name, self.namespace)

    def exists(self) -> bool:
        pods = self.core.list_namespaced_pod(self.namespace, field_selector=f"metadata.name={self.name}")
        return bool(pods.items)

    def until(self, condition: Callable[[client.V1Pod], Any], what: str, seconds: float = 30.0) -> client.V1Pod:
        def probe() -> client.V1Pod | None:
            pod = self.read()
            return pod if condition(pod) else None

        return eventually(probe, f"{self.name}: {what}", seconds)

    def until_restarted(self) -> client.V1Pod:
        def restarted(pod: client.V1Pod) -> bool:
            return any(status.restart_count for status in pod.status.container_statuses or [])

        return self.until(restarted, "restarted")

    def until_phase(self, phase: str, seconds: float = 30.0) -> client.V1Pod:
        return self.until(lambda pod: pod.status.phase == phase, f"phase {phase}", seconds)

    def until_waiting(self, reason: str) -> client.V1ContainerStateWaiting:
        def waits(pod: client.V1Pod) -> bool:
            return any(
                s.state.waiting and s.state.waiting.reason == reason for s in pod.status.container_statuses or []
            )

        return self.until(waits, f"waiting for {reason}").status.container_statuses[0].state.waiting

    def until_gone(self, seconds: float = 30.0) -> None:
        eventually(lambda: not self.exists(), f"{self.name} is gone", seconds)

    def ended(self, phase: str = "Succeeded") -> client.V1ContainerStateTerminated:
        """Wait for this phase and return the final state of the container."""
        return self.until_phase(phase).status.container_statuses[0].state.terminated

    def logs(self, **options: Any) -> str:
        raw = self.core.read_namespaced_pod_log(self.name, self.namespace, _preload_content=False, **options)
        return raw.data.decode()

    def delete(self, **options: Any) -> None:
        self.core.delete_namespaced_pod(self.name, self.namespace, **options)

    def event_reasons(self) -> list[str]:
        selector = f"involvedObject.name={self.name}"
        return [
            event.reason for event in self.core.list_namespaced_event(self.namespace, field_selector=selector).items
        ]

    def event_messages(self, reason: str) -> list[str]:
        selector = f"involvedObject.name={self.name},reason={reason}"
        events = self.core.list_namespaced_event(self.namespace, field_selector=selector)
        return [event.message for event in events.items]


def conditions(pod: client.V1Pod) -> dict[str, str]:
    return {condition.type: condition.status for condition in pod.status.conditions or ()}
