"""posefleet installed by its chart on a container node, and a lab that uses it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from posefleet_demo.kubectl import Kubectl
from posefleet_demo.project import upload_folder
from posefleet_lab.cluster import Cluster
from posefleet_lab.tools import binaries
from posefleet_synthesis.main import main as synthesize
from support.jobs import Jobs
from support.release import Release

SYSTEM, LAB = "posefleet", "lab"
DATA, RESULTS = "lab-data", "lab-results"
STORE = {"endpoint": "http://minio.minio:9000", "credentialsSecretRef": {"name": "lab-s3"}}
_EXAMPLE = Path(__file__).parents[2] / "examples" / "demo.yaml"
_RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def open_lab(cluster: Cluster, folder: Path) -> Jobs:
    """Namespaces that enforce the restricted standard, the store's Secret, and a synthetic animal in the store."""
    jobs = Jobs(Kubectl(binaries.kubectl(), cluster.kubeconfig, LAB), cluster.store)
    for name in (SYSTEM, LAB):
        metadata = {"name": name, "labels": _RESTRICTED}
        jobs.kubectl.apply_everywhere({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    jobs.create_secret(STORE["credentialsSecretRef"]["name"], cluster.store.credentials)
    if synthesize([str(folder), "--frames", "120", "--overwrite"]):
        raise AssertionError("no animal was made")
    for bucket in (DATA, RESULTS):
        cluster.store.create_bucket(bucket)
    upload_folder(cluster.store.client(), folder, DATA)
    return jobs


def install(cluster: Cluster, operator: str, trainer: str, values: Path, **trainer_values: Any) -> Release:
    """The chart with images that the node has; ``trainer_values`` complete ``trainer`` of its values."""
    release = Release(binaries.helm(print), cluster.kubeconfig, SYSTEM, values)
    release.install(
        {
            "image": _on_the_node(operator),
            # Two trainers of one CPU each must fit on a machine of two.
            "resources": {"requests": {"cpu": 0}},
            "trainer": {"image": _on_the_node(trainer), "storage": STORE, **trainer_values},
            "test": {"namespace": LAB, "uri": f"s3://{RESULTS}/helm-test/"},
        }
    )
    return release


def _on_the_node(image: str) -> Mapping[str, str]:
    repository, tag = image.rsplit(":", 1)
    return {"repository": repository, "tag": tag, "pullPolicy": "Never"}


def the_example(epochs: int) -> dict[str, Any]:
    """``examples/demo.yaml``, cut short, with the store that the chart gives to jobs that name none."""
    manifest: dict[str, Any] = yaml.safe_load(_EXAMPLE.read_text())
    del manifest["spec"]["storage"]
    manifest["spec"]["training"]["epochs"] = epochs
    manifest["spec"]["checkpoint"]["intervalSeconds"] = 6
    manifest["spec"]["failurePolicy"] = {"backoffSeconds": 1}
    return manifest
