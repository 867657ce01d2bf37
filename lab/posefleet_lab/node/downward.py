"""The downward API: a pod's own fields and resources as text."""

import json
from collections.abc import Mapping

from .objects import Manifest
from .quantities import in_units_of

_FIELDS = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "metadata.uid": ("metadata", "uid"),
    "spec.nodeName": ("spec", "nodeName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
    "status.hostIP": ("status", "hostIP"),
    "status.podIP": ("status", "podIP"),
}


def field_value(pod: Manifest, path: str) -> str:
    """Return the field of a pod that a ``fieldRef`` names. Raises ValueError for one that there is not."""
    if path in _FIELDS:
        part, key = _FIELDS[path]
        return str(pod.get(part, {}).get(key, ""))
    if path in {"status.podIPs", "status.hostIPs"}:
        return ",".join(entry["ip"] for entry in pod.get("status", {}).get(path.partition(".")[2], []))
    for kind in ("labels", "annotations"):
        values: Mapping[str, str] = pod["metadata"].get(kind) or {}
        if path == f"metadata.{kind}":
            return "\n".join(f"{key}={json.dumps(value)}" for key, value in sorted(values.items()))
        if path.startswith(f"metadata.{kind}['") and path.endswith("']"):
            return values.get(path[len(f"metadata.{kind}['") : -2], "")
    raise ValueError(f"unsupported fieldPath: {path}")


def resource_value(container: Manifest, reference: Manifest, allocatable: Mapping[str, str]) -> str:
    """Return the resource that a ``resourceFieldRef`` names; an absent limit is what the node has."""
    kind, _, resource = str(reference["resource"]).partition(".")
    if kind not in {"limits", "requests"}:
        raise ValueError(f"unsupported container resource: {reference['resource']}")
    resources = container.get("resources") or {}
    quantity = (resources.get(kind) or {}).get(resource)
    if quantity is None:
        quantity = allocatable.get(resource, "0") if kind == "limits" else "0"
    return str(in_units_of(str(quantity), str(reference.get("divisor") or "1")))
