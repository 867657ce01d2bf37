"""The operator's account and its rights, of the same rules that the Helm chart grants."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

NAMESPACE = "posefleet"
ACCOUNT = "posefleet-operator"
_RULES = Path(__file__).resolve().parents[2] / "charts" / "posefleet" / "files"
_API = "rbac.authorization.k8s.io"


def operator_rights(served: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The manifests of the operator's namespace, its account, its Lease, and its rights.

    It may serve the namespaces ``served``, by a Role in each; with none, the whole cluster.
    """
    rules, lease = (yaml.safe_load((_RULES / f"{name}-rules.yaml").read_text()) for name in ("operator", "lease"))
    granted = [_grant("Role", name, rules) for name in served] if served else [_grant("ClusterRole", "", rules)]
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}},
        *(manifest for pair in [*granted, _grant("Role", NAMESPACE, lease, f"{ACCOUNT}-lease")] for manifest in pair),
    ]


def _grant(kind: str, namespace: str, rules: list[dict[str, Any]], name: str = ACCOUNT) -> list[dict[str, Any]]:
    """A role and its binding to the operator's account."""
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
