"""Installs posefleet on a new cluster: the CRD, the operator with its RBAC, and a namespace with the store's Secret."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from posefleet_demo.kubectl import Kubectl
from posefleet_lab.cluster import Cluster
from posefleet_lab.component import Component

NAMESPACE = "posefleet"
ACCOUNT = "posefleet-operator"
_RULES = Path(__file__).resolve().parents[2] / "charts" / "posefleet" / "files"
_API = "rbac.authorization.k8s.io"
TRAINER_IMAGE = "posefleet-trainer:demo"
SECRET = "lab-s3"  # noqa: S105  this is the name of a Secret
_REPOSITORY = Path(__file__).resolve().parents[2]
_CRD = _REPOSITORY / "crds" / "posefleet.io_posetrainingjobs.yaml"


def operator_rights(served: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the manifests of the operator's namespace, service account and RBAC, with the rules of the Helm chart.

    The operator gets a Role in each of the namespaces ``served``, or a ClusterRole if there are none.
    """
    rules, lease = (yaml.safe_load((_RULES / f"{name}-rules.yaml").read_text()) for name in ("operator", "lease"))
    granted = [_grant("Role", name, rules) for name in served] if served else [_grant("ClusterRole", "", rules)]
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}},
        *(manifest for pair in [*granted, _grant("Role", NAMESPACE, lease, f"{ACCOUNT}-lease")] for manifest in pair),
    ]


def _grant(kind: str, namespace: str, rules: list[dict[str, Any]], name: str = ACCOUNT) -> list[dict[str, Any]]:
    """Return a role and its binding to the operator's service account."""
    place = {"name": name} | ({"namespace": namespace} if namespace else {})
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
    role = {"apiVersion": f"{_API}/v1", "kind": kind, "metadata": place, "rules": rules}
    binding = {
        "apiVersion": f"{_API}/v1",
        "kind": f"{kind}Binding",
        "metadata": dict(place),
        "roleRef": {"apiGroup": _API, "kind": kind, "name": name},
        "subjects": [subject],
    }
    return [role, binding]


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
    """Start the operator with its own service account. It serves metrics on ``port`` and ends with the cluster."""
    kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    command = [
        *(sys.executable, "-m", "posefleet_operator"),
        *("--kubeconfig", str(kubeconfig), "--trainer-image", TRAINER_IMAGE),
        *("--http-host", "127.0.0.1", "--http-port", str(port), "--lease-namespace", NAMESPACE),
        *("--progress-seconds", "2"),
    ]
    return cluster.start_program("operator", command)
