"""What integration tests of the operator do on a cluster, and what they look at."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from posefleet_api.constants import GROUP, PLURAL, VERSION
from posefleet_lab.cluster import Cluster
from posefleet_lab.process_node.node_config import Image
from posefleet_lab.tools import binaries
from support.operator_process import OperatorProcess
from support.waiting import wait_for

__all__ = ["COMPLETED", "CRD", "OperatorProcess", "Stage", "acting_images", "install_crd"]

CRD = Path(__file__).parents[3] / "crds" / f"{GROUP}_{PLURAL}.yaml"
COMPLETED = {"exit": 0, "message": {"reason": "Completed", "message": "done"}}


def acting_images(directory: Path) -> dict[str, Image]:
    """An image whose trainer only acts, made in ``directory``."""
    programs = directory / "bin"
    programs.mkdir(parents=True)
    text = Path(__file__).with_name("acting_trainer.py").read_text()
    # Not the virtual environment's Python: where that lies under /tmp pods, with a /tmp of their own, do not see it.
    python = Path(sys.executable).resolve()
    (programs / "posefleet-trainer").write_text(f"#!{python}\n{text}")
    (programs / "posefleet-trainer").chmod(0o755)
    return {"acting-trainer": Image(directory)}


def install_crd(api: client.ApiClient) -> None:
    """Install the CRD of ``crds/``, and wait until the API server serves the new kind."""
    client.ApiextensionsV1Api(api).create_custom_resource_definition(yaml.safe_load(CRD.read_text()))
    wait_for("the new kind to be served", lambda: _serves_training_jobs(api))


def _serves_training_jobs(api: client.ApiClient) -> bool:
    try:
        client.CustomObjectsApi(api).list_cluster_custom_object(GROUP, VERSION, PLURAL)
    except client.ApiException:
        return False
    return True


class Stage:
    """A namespace with a scheduler, controllers, a node and acting trainers."""

    def __init__(self, api: client.ApiClient, namespace: str, cluster: Cluster) -> None:
        self.api = api
        self.namespace = namespace
        self.cluster = cluster
        self.core = client.CoreV1Api(api)
        self.batch = client.BatchV1Api(api)
        self.custom = client.CustomObjectsApi(api)

    def manifest(self, name: str, act: dict[str, Any] | None = None, nodes: int = 1, **spec: Any) -> dict[str, Any]:
        """A job whose trainers act by a script."""
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "PoseTrainingJob",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "dataset": {"uri": "s3://lab-data/mouse/"},
                "storage": {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "lab-s3"}},
                "output": {"uri": "s3://lab-results/reaching/"},
                "resources": {"nodes": nodes, "gpusPerNode": 1, "cpusPerNode": 1, "memoryPerNode": "2Gi"},
                "failurePolicy": {"backoffSeconds": 1, "stallSeconds": 600},
                "pod": {"env": [{"name": "ACT", "value": json.dumps(act or {})}]},
                **spec,
            },
        }

    def apply(self, name: str, act: dict[str, Any] | None = None, nodes: int = 1, **spec: Any) -> None:
        """Create a job whose trainers act by a script."""
        body = self.manifest(name, act, nodes, **spec)
        self.custom.create_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, body)

    def patch(self, name: str, **spec: Any) -> None:
        """Change a job's spec."""
        self.custom.patch_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name, {"spec": spec})

    def job(self, name: str) -> dict[str, Any]:
        """The job as it is."""
        return self.custom.get_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)

    def status(self, name: str) -> dict[str, Any]:
        """The job's status."""
        return self.job(name).get("status", {})

    def wait_for_phase(self, name: str, phase: str, seconds: float = 60) -> dict[str, Any]:
        """The status when the job is in that phase."""

        def status() -> dict[str, Any] | None:
            now = self.status(name)
            return now if now.get("phase") == phase else None

        return wait_for(
            f"{name} to be {phase}", status, seconds, explain=lambda: json.dumps(self.status(name), indent=1)
        )

    def wait_until_gone(self, name: str) -> None:
        """Until the API server no longer has the job."""
        wait_for(f"{name} to be gone", lambda: name not in self.kubectl("get", "ptj", "-o", "name"))

    def pods(self, name: str, attempt: int) -> list[Any]:
        """The pods of an attempt."""
        selector = f"posefleet.io/job={name},posefleet.io/component=attempt,posefleet.io/attempt={attempt}"
        return self.core.list_namespaced_pod(self.namespace, label_selector=selector).items

    def wait_until_acting(self, name: str, attempt: int) -> None:
        """Until every pod of the attempt is past its start; before that, the first process of a container is deaf
        to SIGTERM."""
        self.wait_for_phase(name, "Running")
        for pod in self.pods(name, attempt):
            wait_for("a line of its log", partial(self._has_begun, pod.metadata.name))

    def _has_begun(self, pod: str) -> bool:
        return "acting" in self.core.read_namespaced_pod_log(pod, self.namespace)

    def events(self, name: str) -> list[tuple[str, str]]:
        """Type and reason of the job's events, in the order of their time."""
        found = [e for e in self.core.list_namespaced_event(self.namespace).items if e.involved_object.name == name]
        mine = [event for event in found if event.involved_object.kind == "PoseTrainingJob"]
        return [(event.type, event.reason) for event in sorted(mine, key=lambda event: event.event_time)]

    def kubectl(self, *arguments: str) -> str:
        """The output of kubectl in this namespace."""
        command = [
            str(binaries.kubectl()),
            "--kubeconfig",
            str(self.cluster.kubeconfig),
            "-n",
            self.namespace,
            *arguments,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
