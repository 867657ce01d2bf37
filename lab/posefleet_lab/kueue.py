"""Kueue, which admits the Jobs of queues: its manager as a process beside the control plane."""

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .component import Component
from .control_plane import ControlPlane
from .errors import LabError
from .ports import free_port
from .tools import binaries, golang
from .tools.build_once import Report, quiet

NAMESPACE = "kueue-system"
VISIBILITY_SERVICE = "visibility-server"
_API = "kueue.x-k8s.io"
_JOBS = "batch"
_VISIBILITY = "/apis/visibility.kueue.x-k8s.io/v1beta2"
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SECONDS = 30.0
_USER = "kueue-controller-manager"
_PATHS = {
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "APIService": "/apis/apiregistration.k8s.io/v1/apiservices",
}


@dataclass(frozen=True)
class KueueOptions:
    """Options of Kueue.

    Args:
        feature_gates: turns features of Kueue on or off, such as ``{"PriorityBoost": True}``.
    """

    feature_gates: Mapping[str, bool] = field(default_factory=dict)


class Kueue:
    """The manager of Kueue, with its kinds, its webhooks and its list of what waits in a queue.

    It manages Jobs that name a queue, and no other kind. The API server reaches its webhooks on a loopback address,
    and ``localqueues/pendingworkloads`` of the API group ``visibility.kueue.x-k8s.io`` through aggregation.
    """

    def __init__(
        self, control_plane: ControlPlane, directory: Path, options: KueueOptions, report: Report = quiet
    ) -> None:
        self.directory = directory
        self._plane = control_plane
        self._options = options
        self._source = golang.module_directory("kueue", "sigs.k8s.io/kueue", report) / "config" / "components"
        self._webhook_port, self._health_port, self._visibility_port = free_port(), free_port(), free_port()
        self._certificates = directory / binaries.KUEUE_CERTIFICATES
        self._configuration = directory / "configuration.yaml"
        self._kubeconfig = directory / "kubeconfig"
        command = [
            str(binaries.kueue(report)),
            f"--config={self._configuration}",
            f"--kubeconfig={self._kubeconfig}",
        ]
        self._manager = Component("kueue", command, directory)

    @property
    def components(self) -> list[Component]:
        """Return the manager."""
        return [self._manager]

    def start(self) -> None:
        """Install Kueue and return when it admits Jobs and its webhooks answer."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write_credentials()
        self._configuration.write_text(yaml.safe_dump(self._manager_configuration(), sort_keys=False))
        self._plane.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": _named(NAMESPACE)})
        definitions = list(self._definitions())
        for definition in definitions:
            self._apply(definition)
        self._wait_for("Kueue's kinds", lambda: {d["spec"]["names"]["plural"] for d in definitions} <= self._served())
        self._manager.start()
        self._wait_until_ready()
        for configuration in self._webhooks():
            self._apply(configuration)
        self._publish_visibility()
        self._wait_for("what waits in queues", lambda: self._plane.get(_VISIBILITY) is not None)

    def restart(self, *, crash: bool = False) -> None:
        """Restart the manager on the same ports. With ``crash`` it is stopped by SIGKILL."""
        self._manager.kill() if crash else self._manager.stop()
        self._manager.start()
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the manager."""
        self._manager.stop()

    def _write_credentials(self) -> None:
        """Write the serving certificate under the name that Kueue expects, and the manager's kubeconfig."""
        hosts = ["127.0.0.1", f"{VISIBILITY_SERVICE}.{NAMESPACE}.svc"]
        self._plane.authority.issue(_USER, hosts=hosts).write(self._certificates, "tls")
        self._plane.client_kubeconfig(_USER, ["system:masters"], self._kubeconfig)

    def _manager_configuration(self) -> dict[str, Any]:
        return {
            "apiVersion": "config.kueue.x-k8s.io/v1beta2",
            "kind": "Configuration",
            "namespace": NAMESPACE,
            "health": {"healthProbeBindAddress": f"127.0.0.1:{self._health_port}"},
            "metrics": {"bindAddress": "0"},
            "webhook": {"host": "127.0.0.1", "port": self._webhook_port, "certDir": str(self._certificates)},
            "visibilityServer": {"bindAddress": "127.0.0.1", "bindPort": self._visibility_port},
            "leaderElection": {"leaderElect": False},
            "internalCertManagement": {"enable": False},
            "clientConnection": {"qps": 500, "burst": 1000},
            "integrations": {"frameworks": ["batch/job"]},
            "featureGates": dict(self._options.feature_gates),
        }

    def _definitions(self) -> Iterator[dict[str, Any]]:
        """Yield the kinds of Kueue, which convert between their versions through the webhook."""
        kinds = self._source / "crd"
        converted = {file.stem.rpartition("_")[2] for file in (kinds / "patches").glob("webhook_in_*.yaml")}
        for file in sorted((kinds / "bases").glob("*.yaml")):
            definition: dict[str, Any] = yaml.load(file.read_text(), yaml.CSafeLoader)
            if definition["spec"]["names"]["plural"] in converted:
                webhook = {"clientConfig": self._client("/convert"), "conversionReviewVersions": ["v1"]}
                definition["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
            yield definition

    def _webhooks(self) -> Iterator[dict[str, Any]]:
        """Yield the configurations of the webhooks for Jobs and for Kueue's own kinds."""
        for configuration in yaml.safe_load_all((self._source / "webhook" / "manifests.yaml").read_text()):
            kept = [webhook for webhook in configuration["webhooks"] if _groups(webhook) & {_JOBS, _API}]
            for webhook in kept:
                webhook["clientConfig"] = self._client(webhook["clientConfig"]["service"]["path"])
            name = f"kueue-{configuration['metadata']['name']}"
            yield {**configuration, "metadata": _named(name), "webhooks": kept}

    def _client(self, path: str) -> dict[str, Any]:
        return {"url": f"https://127.0.0.1:{self._webhook_port}{path}", "caBundle": self._authority()}

    def _authority(self) -> str:
        return base64.b64encode(self._plane.authority.certificate).decode()

    def _publish_visibility(self) -> None:
        """Aggregate the API that lists what waits. A Service of type ExternalName is the way to a process."""
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _named(VISIBILITY_SERVICE),
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }
        self._plane.apply(f"/api/v1/namespaces/{NAMESPACE}/services/{VISIBILITY_SERVICE}", service)
        for file in sorted((self._source / "visibility").glob("apiservice_*.yaml")):
            aggregated = yaml.safe_load(file.read_text())
            aggregated["spec"].pop("insecureSkipTLSVerify")
            aggregated["spec"]["caBundle"] = self._authority()
            aggregated["spec"]["service"]["port"] = self._visibility_port
            self._apply(aggregated)

    def _apply(self, manifest: dict[str, Any]) -> None:
        self._plane.apply(f"{_PATHS[manifest['kind']]}/{manifest['metadata']['name']}", manifest)

    def _wait_until_ready(self) -> None:
        self._manager.wait_for_answer(f"http://127.0.0.1:{self._health_port}/readyz")

    def _served(self) -> set[str]:
        """Return the kinds that clients discover, which lag behind those that are served."""
        found = self._plane.get("/apis", _DISCOVERY) or {"items": []}
        groups = [group for group in found["items"] if group["metadata"].get("name") == _API]
        versions = [version for group in groups for version in group["versions"] if version["version"] == "v1beta2"]
        return {resource["resource"] for version in versions for resource in version["resources"]}

    def _wait_for(self, what: str, is_served: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _SECONDS
        while not is_served():
            self._manager.require_alive()
            if time.monotonic() > deadline:
                raise LabError(f"the API server does not serve {what} after {_SECONDS:.0f} s; see {self._manager.log}")
            time.sleep(0.05)


def _named(name: str) -> dict[str, Any]:
    return {"name": name}


def _groups(webhook: Mapping[str, Any]) -> set[str]:
    return {group for rule in webhook["rules"] for group in rule["apiGroups"]}
