"""Jobs on a real cluster: manifests, waiting, what their pods do."""

import json
import urllib.error
import urllib.request
from copy import deepcopy
from typing import Any

from posefleet_demo.kubectl import Kubectl, KubectlRefused
from posefleet_lab.object_stores import ObjectStore
from posefleet_lab.object_stores.base import Credentials
from support.waiting import wait_for

FINISHED = ("Succeeded", "Failed")
DATA_BUCKET, RESULTS_BUCKET = "data", "results"
SECRET = "store"


def a_manifest(store: ObjectStore, name: str, project: str = "small", **spec: Any) -> dict[str, Any]:
    """A job that trains a small network for seconds; ``spec`` replaces whole parts."""
    manifest: dict[str, Any] = {
        "apiVersion": "posefleet.io/v1alpha1",
        "kind": "PoseTrainingJob",
        "metadata": {"name": name},
        "spec": {
            "dataset": {"uri": f"s3://{DATA_BUCKET}/{project}/"},
            "storage": {"endpoint": store.endpoint, "credentialsSecretRef": {"name": SECRET}},
            "output": {"uri": f"s3://{RESULTS_BUCKET}/{name}/"},
            "model": {"backbone": "mobilenetv3_small", "weights": "none", "imageSize": {"height": 64, "width": 64}},
            "losses": {"pcaSingleView": {"weight": 0}},
            "training": {"epochs": 24, "batchSize": 2, "clipLength": 4, "validateEveryEpochs": 8},
            "checkpoint": {"intervalSeconds": 6},
            "predict": {"videos": ["videos/*.mp4"], "labelledVideo": False},
            "resources": {
                "nodes": 2,
                "gpusPerNode": 0,
                "cpusPerNode": 1,
                "memoryPerNode": "3Gi",
                "cachePerNode": "1Gi",
            },
            "failurePolicy": {"backoffSeconds": 1},
        },
    }
    manifest["spec"].update(deepcopy(spec))
    return manifest


class Jobs:
    """The jobs of one namespace."""

    def __init__(self, kubectl: Kubectl, store: ObjectStore) -> None:
        self.kubectl = kubectl
        self.store = store

    def apply(self, manifest: dict[str, Any]) -> str:
        """Apply as a user does; the job's name.

        Raises:
            KubectlRefused: with the API server's words.
        """
        self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        return str(manifest["metadata"]["name"])

    def create_secret(self, name: str, credentials: Credentials) -> None:
        """A Secret as ``storage.credentialsSecretRef`` wants it."""
        keys = {"AWS_ACCESS_KEY_ID": credentials.access_key, "AWS_SECRET_ACCESS_KEY": credentials.secret_key}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": keys}
        self.kubectl("create", "-f", "-", stdin=json.dumps(secret))

    def delete(self, name: str) -> None:
        """Delete the job; its children go with it."""
        self.kubectl("delete", "ptj", name, "--wait=false")

    def status(self, name: str) -> dict[str, Any]:
        """The job's status; empty while the API server is away."""
        try:
            return dict(self.kubectl.job(name).get("status", {}))
        except KubectlRefused as error:
            if "refused" in str(error) or "connect" in str(error) or "EOF" in str(error):
                return {}
            raise

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        """One condition; empty if the job does not have it."""
        return next((c for c in self.status(name).get("conditions", ()) if c["type"] == kind), {})

    def wait_finished(self, name: str, seconds: float = 240.0) -> dict[str, Any]:
        """The status of the finished job."""

        def finished() -> dict[str, Any] | None:
            status = self.status(name)
            return status if status.get("phase") in FINISHED else None

        try:
            return wait_for(f"{name} to finish", finished, seconds, 0.5)
        except AssertionError as late:
            raise AssertionError(f"{late}; its state:\n{self.kubectl('describe', 'ptj', name)}") from None

    def succeed(self, name: str, seconds: float = 240.0) -> dict[str, Any]:
        """The status of the job, which must succeed."""
        status = self.wait_finished(name, seconds)
        assert status["phase"] == "Succeeded", json.dumps(status, indent=1)
        return status

    def pods(self, name: str, component: str = "attempt") -> list[dict[str, Any]]:
        """The job's pods, in the order of their ranks."""
        selector = f"posefleet.io/job={name},posefleet.io/component={component}"
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return sorted(found, key=lambda pod: pod["metadata"]["name"])

    def progress(self, name: str) -> dict[str, Any]:
        """What rank 0 of the running attempt answers; empty while nobody does."""
        for pod in self.pods(name):
            if pod["status"].get("phase") == "Running" and "podIP" in pod["status"]:
                url = f"http://{pod['status']['podIP']}:9400/progress"
                try:
                    with urllib.request.urlopen(url, timeout=2) as answer:
                        return dict(json.load(answer))
                except (urllib.error.URLError, OSError):
                    continue
        return {}

    def wait_step(self, name: str, step: int, seconds: float = 120.0) -> None:
        """Until the running attempt has finished ``step`` steps, or the job is past training."""

        def there() -> bool:
            progress = self.progress(name).get("progress", {})
            past = progress.get("stage") in {"predict", "report"} or self.status(name).get("phase") in FINISHED
            return past or (progress.get("stage") == "train" and progress.get("step", 0) >= step)

        wait_for(f"step {step} of {name}", there, seconds, 0.05, lambda: self.state(name))

    def state(self, name: str) -> str:
        """How the job and its pods stand, for a person to read."""
        pods = ("-l", f"posefleet.io/job={name}")
        said = self.kubectl("logs", *pods, "--tail=30", "--prefix", "--ignore-errors")
        return "\n".join([self.kubectl("describe", "ptj", name), self.kubectl("get", "pods", *pods), said])

    def read_result(self, name: str, key: str) -> bytes:
        """An object of the job's output."""
        answer = self.store.client().get_object(RESULTS_BUCKET, f"{name}/{key}")
        try:
            return bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    def weights(self, name: str) -> str:
        """The hash of the final weights."""
        return str(json.loads(self.read_result(name, "model/model.json"))["weightsSha256"])
