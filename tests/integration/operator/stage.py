"""What integration tests of the operator do on a cluster, and what they look at."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from kubernetes import client

from posefleet_api.constants import GROUP, PLURAL, VERSION
from posefleet_lab.cluster import Cluster
from posefleet_lab.ports import free_port

CRD = Path(__file__).parents[3] / "crds" / f"{GROUP}_{PLURAL}.yaml"
COMPLETED = {"exit": 0, "message": {"reason": "Completed", "message": "done"}}

T = TypeVar("T")


def wait_until(look: Callable[[], T | None], seconds: float = 40, what: str = "") -> T:
    """What ``look`` gives as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or look}")
        time.sleep(0.1)


class Stage:
    """A namespace with a scheduler, controllers, a node and acting trainers."""

    def __init__(self, api: client.ApiClient, namespace: str, cluster: Cluster) -> None:
        self.api = api
        self.namespace = namespace
        self.cluster = cluster
        self.core = client.CoreV1Api(api)
        self.batch = client.BatchV1Api(api)
        self.custom = client.CustomObjectsApi(api)

    def apply(self, name: str, act: dict[str, Any] | None = None, nodes: int = 1, **spec: Any) -> None:
        """Create a job whose trainers act by a script."""
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "PoseTrainingJob",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "dataset": {"uri": "s3://lab-data/mouse/"},
                "storage": {"endpoint": "http://minio:9000", "credentialsSecret": "lab-s3"},
                "output": {"uri": "s3://lab-results/reaching/"},
                "resources": {"nodes": nodes, "gpusPerNode": 1, "cpusPerNode": 1, "memoryPerNode": "2Gi"},
                "failurePolicy": {"backoffSeconds": 1, "stallSeconds": 600},
                "podTemplate": {"env": [{"name": "ACT", "value": json.dumps(act or {})}]},
                **spec,
            },
        }
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
        deadline = time.monotonic() + seconds
        while (status := self.status(name)).get("phase") != phase:
            assert time.monotonic() < deadline, f"{name} is not {phase} but {json.dumps(status, indent=1)}"
            time.sleep(0.1)
        return status

    def wait_until_gone(self, name: str) -> None:
        """Until the API server no longer has the job."""
        wait_until(lambda: name not in self.kubectl("get", "ptj", "-o", "name"), what=f"{name} gone")

    def pods(self, name: str, attempt: int) -> list[Any]:
        """The pods of an attempt."""
        selector = f"posefleet.io/job={name},posefleet.io/component=attempt,posefleet.io/attempt={attempt}"
        return self.core.list_namespaced_pod(self.namespace, label_selector=selector).items

    def wait_until_acting(self, name: str, attempt: int) -> None:
        """Until every pod of the attempt is past its start; before that, the first process of a container is deaf
        to SIGTERM."""
        self.wait_for_phase(name, "Running")
        for pod in self.pods(name, attempt):
            wait_until(partial(self._has_begun, pod.metadata.name), what="a line of its log")

    def _has_begun(self, pod: str) -> bool:
        return "acting" in self.core.read_namespaced_pod_log(pod, self.namespace)

    def events(self, name: str) -> list[tuple[str, str]]:
        """Type and reason of the job's events, in the order of their time."""
        found = [e for e in self.core.list_namespaced_event(self.namespace).items if e.involved_object.name == name]
        mine = [event for event in found if event.involved_object.kind == "PoseTrainingJob"]
        return [(event.type, event.reason) for event in sorted(mine, key=lambda event: event.event_time)]

    def kubectl(self, *arguments: str) -> str:
        """The output of kubectl in this namespace."""
        command = ["kubectl", "--kubeconfig", str(self.cluster.kubeconfig), "-n", self.namespace, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class OperatorProcess:
    """An operator as a process."""

    def __init__(self, stage: Stage, log: Path, **options: str) -> None:
        self.port = free_port()
        self.log = log
        given = {
            "trainer-image": "acting-trainer",
            "namespaces": stage.namespace,
            "lease-namespace": stage.namespace,
            "kubeconfig": str(stage.cluster.kubeconfig),
            "http-host": "127.0.0.1",
            "http-port": str(self.port),
            "progress-seconds": "0.5",
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        arguments = [f"--{name}={value}" for name, value in given.items()]
        with log.open("w") as stream:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("posefleet-operator")), "run", *arguments], stderr=stream
            )

    def state(self) -> str:
        """What it says of itself: standby or leading; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return answer.read().decode().strip()
        except OSError:
            return ""

    def metrics(self) -> str:
        """Its metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def wait_until_leading(self) -> None:
        """Until it acts."""
        wait_until(lambda: self.state() == "leading", what="leading")

    def lines(self) -> list[dict[str, Any]]:
        """Its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """End it without a warning."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it as Kubernetes does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
