"""posefleet on a fresh cluster: the CRD, the operator's rights, the operator, a namespace with the store's Secret."""

import sys
from pathlib import Path

from posefleet_demo.kubectl import Kubectl
from posefleet_demo.rights import ACCOUNT, NAMESPACE, operator_rights
from posefleet_lab.cluster import Cluster
from posefleet_lab.component import Component

TRAINER_IMAGE = "posefleet-trainer:demo"
SECRET = "lab-s3"  # noqa: S105  the name of a Secret
_REPOSITORY = Path(__file__).resolve().parents[2]
_CRD = _REPOSITORY / "crds" / "posefleet.io_posetrainingjobs.yaml"


def install(kubectl: Kubectl, cluster: Cluster) -> None:
    """Create the CRD, the RBAC of the operator, and the scientist's namespace with the store's credentials."""
    kubectl.apply_file(_CRD)
    kubectl.apply_everywhere(*operator_rights())
    kubectl("create", "namespace", kubectl.namespace)
    kubectl("wait", "--for=condition=Established", "crd/posetrainingjobs.posefleet.io", "--timeout=30s")
    environment = cluster.store.environment()
    keys = {name: environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": keys})


def start_operator(cluster: Cluster, port: int) -> Component:
    """The operator as its service account, serving metrics on ``port``; it ends with the cluster."""
    kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    command = [
        *(sys.executable, "-m", "posefleet_operator"),
        *("--kubeconfig", str(kubeconfig), "--trainer-image", TRAINER_IMAGE),
        *("--http-host", "127.0.0.1", "--http-port", str(port), "--lease-namespace", NAMESPACE),
        *("--progress-seconds", "2"),
    ]
    return cluster.start_program("operator", command)
