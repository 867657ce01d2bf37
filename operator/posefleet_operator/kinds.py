"""Where the API server keeps each kind of object that the operator reads or writes."""

from dataclasses import dataclass

from posefleet_api.constants import API_VERSION, KIND, PLURAL
from posefleet_operator.children import Manifest


@dataclass(frozen=True)
class Kind:
    """A kind and its place in the API."""

    api_version: str
    kind: str
    plural: str

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """The URL path of an object, or of all in a namespace, or (namespace empty) of all in the cluster."""
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version, *(["namespaces", namespace] if namespace else []), self.plural]
        return "/".join([*parts, *([name] if name else []), *([subresource] if subresource else [])])


TRAINING_JOB = Kind(API_VERSION, KIND, PLURAL)
JOB = Kind("batch/v1", "Job", "jobs")
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
EVENT = Kind("events.k8s.io/v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")

KINDS = {kind.kind: kind for kind in (TRAINING_JOB, JOB, POD, SERVICE, CONFIG_MAP, EVENT, LEASE)}


def kind_of(manifest: Manifest) -> Kind:
    """The kind that a manifest says it is."""
    return KINDS[manifest["kind"]]
