"""The texts that a cluster shows to its users: objects, logs and metrics, in which no secret may occur."""

import json
import urllib.request
from collections.abc import Callable

from posefleet_lab.cluster import Cluster

Kubectl = Callable[..., str]
_KINDS = "pods,jobs,configmaps,services,events,ptj,deployments,replicasets,leases,endpointslices"


class PublishedTexts:
    """Collects texts while pods exist, because the logs of a deleted pod cannot be read."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl, namespaces: list[str]) -> None:
        self._cluster, self._kubectl, self._namespaces = cluster, kubectl, namespaces
        self.texts: dict[str, str] = {}

    def collect(self, moment: str) -> None:
        """Read the current objects except Secrets, all logs and all metrics; ``moment`` names them in results."""
        for namespace in self._namespaces:
            objects = self._kubectl("-n", namespace, "get", _KINDS, "-o", "json")
            self.texts[f"{moment}: objects of {namespace}"] = objects
            for pod in json.loads(self._kubectl("-n", namespace, "get", "pods", "-o", "json"))["items"]:
                self._collect_pod(moment, namespace, pod["metadata"]["name"])
        for target in self._cluster.monitoring.targets():
            if target["health"] == "up":
                with urllib.request.urlopen(target["scrapeUrl"], timeout=5) as answer:
                    self.texts[f"{moment}: {target['scrapeUrl']}"] = answer.read().decode()

    def _collect_pod(self, moment: str, namespace: str, pod: str) -> None:
        command = ("logs", pod, "--all-containers", "--ignore-errors")
        self.texts[f"{moment}: log of {namespace}/{pod}"] = self._kubectl("-n", namespace, *command)

    def places_with(self, secret: str) -> list[str]:
        """Return the names of the texts that contain ``secret``."""
        return [place for place, text in self.texts.items() if secret in text]
