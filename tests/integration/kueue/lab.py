"""The two groups of the example, and what tests look at."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kubernetes import client

from integration.operator.stage import Stage
from posefleet_api.constants import GROUP, PLURAL, VERSION
from posefleet_lab.cluster import Cluster
from posefleet_lab.tools import binaries
from support.waiting import wait_for

EXAMPLE = Path(__file__).parents[3] / "examples" / "kueue" / "two-groups.yaml"
QUEUE = "training"
A100, H100 = "NVIDIA-A100-SXM4-80GB", "NVIDIA-H100-80GB-HBM3"
MODELS = {"lab-node-0": A100, "lab-node-1": H100}
CLUSTER_QUEUES = ("mouse-group", "fly-group")
_HOLD = "example.org/hold"
_KUEUE = ("kueue.x-k8s.io", "v1beta2")


class Group(Stage):
    """The namespace of a group."""

    def submit(
        self,
        name: str,
        act: dict[str, Any] | None = None,
        gpus: int = 1,
        nodes: int = 1,
        model: str = A100,
        **spec: Any,
    ) -> None:
        """Create a job in the group's queue."""
        resources = {"nodes": nodes, "gpusPerNode": gpus, "cpusPerNode": 1, "memoryPerNode": "2Gi"}
        if model:
            resources["gpuModel"] = model
        pod = {"env": [{"name": "ACT", "value": json.dumps(act or {})}], **spec.pop("pod", {})}
        self.apply(name, nodes=nodes, resources=resources, queue=QUEUE, pod=pod, **spec)

    def wait_until_running(self, name: str, attempt: int = 1) -> dict[str, Any]:
        """The status when all pods of an attempt run, say its number, and would answer SIGTERM."""
        self.wait_for_phase(name, "Running")
        wait_for(f"attempt {attempt} of {name}", lambda: len(self.status(name)["attempts"]) == attempt)
        for pod in self.gang(name):
            wait_for(f"attempt {attempt} in its log", partial(self._acts, pod.metadata.name, attempt))
        return self.status(name)

    def gang(self, name: str) -> list[Any]:
        """The pods that train for a job. Those of a Job that was taken over have the label of the first attempt."""
        selector = f"posefleet.io/job={name},posefleet.io/component=attempt"
        return list(self.core.list_namespaced_pod(self.namespace, label_selector=selector).items)

    def child_job(self, name: str) -> Any:
        """A Job of an attempt."""
        return self.batch.read_namespaced_job(name, self.namespace)

    @contextmanager
    def held(self, pod: str) -> Iterator[None]:
        """Keep a pod from going away, by a finalizer."""
        self.core.patch_namespaced_pod(pod, self.namespace, {"metadata": {"finalizers": [_HOLD]}})
        try:
            yield
        finally:
            change = {"metadata": {"$deleteFromPrimitiveList/finalizers": [_HOLD]}}
            self.core.patch_namespaced_pod(pod, self.namespace, change)

    def _acts(self, pod: str, attempt: int) -> bool:
        return f"attempt {attempt} rank" in self.core.read_namespaced_pod_log(pod, self.namespace)

    def finish(self, name: str) -> None:
        """Delete a job and wait until its pods are gone."""
        self.kubectl("delete", "ptj", name, "--wait=true", "--timeout=60s")
        selector = f"posefleet.io/job={name}"
        wait_for(
            "its pods to be gone",
            lambda: not self.core.list_namespaced_pod(self.namespace, label_selector=selector).items,
        )

    def workloads(self) -> list[dict[str, Any]]:
        """Kueue's Workloads."""
        found: dict[str, Any] = self.custom.list_namespaced_custom_object(*_KUEUE, self.namespace, "workloads")
        items: list[dict[str, Any]] = found["items"]
        return items

    def clear(self) -> None:
        """Delete all jobs, and wait until Kueue has forgotten them."""
        self.custom.delete_collection_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL)
        wait_for(
            "the queue to be empty",
            lambda: not self.workloads() and not self.core.list_namespaced_pod(self.namespace).items,
        )


class Lab:
    """Both groups."""

    def __init__(self, api: client.ApiClient, cluster: Cluster) -> None:
        self.cluster = cluster
        self.mouse, self.fly = Group(api, "mouse", cluster), Group(api, "fly", cluster)
        self._custom = client.CustomObjectsApi(api)

    def apply(self, manifests: str) -> None:
        """Apply manifests, as an administrator does."""
        command = [str(binaries.kubectl()), "--kubeconfig", str(self.cluster.kubeconfig), "apply", "-f", "-"]
        subprocess.run(command, input=manifests, check=True, capture_output=True, text=True)

    def is_active(self, cluster_queue: str) -> bool:
        """Whether a ClusterQueue admits."""
        queue = self._custom.get_cluster_custom_object(*_KUEUE, "clusterqueues", cluster_queue)
        conditions = queue.get("status", {}).get("conditions", [])
        return any((c["type"], c["status"]) == ("Active", "True") for c in conditions)

    def clear(self) -> None:
        """Empty both queues."""
        for group in (self.mouse, self.fly):
            group.clear()
