"""Everything that the cluster tells to whoever may look: where no secret may be found."""

import json
import urllib.request
from collections.abc import Callable

from posefleet_lab.cluster import Cluster

Kubectl = Callable[..., str]
_KINDS = "pods,jobs,configmaps,services,events,ptj,deployments,replicasets,leases,endpointslices"


class Told:
    """Collects texts as they come: a pod that is gone cannot be asked."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl, namespaces: list[str]) -> None:
        self._cluster, self._kubectl, self._namespaces = cluster, kubectl, namespaces
        self.texts: dict[str, str] = {}

    def collect(self, moment: str) -> None:
        """Read all objects but Secrets, all logs and all metrics as they are now."""
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
        """Where ``secret`` was told."""
        return [place for place, text in self.texts.items() if secret in text]
