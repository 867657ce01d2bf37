"""The Prometheus and Alertmanager servers: start, stop and queries."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from ..component import Component
from ..errors import LabError
from ..paths import GO_MODULES
from ..ports import free_port
from .discovery import alertmanager_configuration, prometheus_configuration

_SECONDS = 10.0


@dataclass(frozen=True)
class Sample:
    """The labels of one series and its current value."""

    labels: dict[str, str]
    value: float


def answer(url: str, **parameters: str) -> Any:
    """Send a GET request and return the decoded JSON. Raises LabError with the server's error message."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    address = f"{url}?{urlencode(parameters)}" if parameters else url
    try:
        with opener.open(address, timeout=_SECONDS) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise LabError(f"{address}: {error.code} {error.read().decode(errors='replace')}") from None
    except OSError as error:
        raise LabError(f"{address}: {error}") from None


def samples(url: str, expression: str) -> list[Sample]:
    """Evaluate a PromQL expression to an instant vector or a scalar. Raises LabError."""
    data = answer(f"{url}/api/v1/query", query=expression)["data"]
    if data["resultType"] == "scalar":
        return [Sample({}, float(data["result"][1]))]
    return [Sample(series["metric"], float(series["value"][1])) for series in data["result"]]


@dataclass(frozen=True)
class MonitoringOptions:
    """Options of Prometheus.

    Args:
        rule_files: files with rules; the last component of a path may be a glob.
        pod_labels: maps each label to add to series to the label of the pod from which its value comes.
    """

    rule_files: Sequence[Path] = ()
    pod_labels: Mapping[str, str] = field(default_factory=dict)


class Monitoring:
    """Alertmanager, and a Prometheus that scrapes annotated pods of a cluster every two seconds.

    Pods are scraped if they have the annotation ``prometheus.io/scrape: "true"``; ``prometheus.io/port`` and
    ``prometheus.io/path`` say where. Their series get the labels ``namespace`` and ``pod``.
    """

    def __init__(self, directory: Path, kubeconfig: Path, options: MonitoringOptions) -> None:
        self.directory = directory
        self._options = options
        self._pods_file = directory / "pods.json"
        hosts = [f"127.0.0.1:{free_port()}" for _ in range(2)]
        self.url, self.alertmanager_url = (f"http://{host}" for host in hosts)
        self._prometheus = Component("prometheus", _prometheus(directory, hosts[0]), directory)
        discover = [sys.executable, "-m", "posefleet_lab.monitoring.discovery", str(kubeconfig), str(self._pods_file)]
        self._discovery = Component("pod-discovery", discover, directory, {"PYTHONPATH": str(GO_MODULES)})
        self._alertmanager = Component("alertmanager", _alertmanager(directory, hosts[1]), directory)

    @property
    def components(self) -> list[Component]:
        """Return the programs, in the order of their start."""
        return [self._discovery, self._alertmanager, self._prometheus]

    def start(self) -> None:
        """Start all programs and return when both servers answer."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        host = self.alertmanager_url.removeprefix("http://")
        options = self._options
        prometheus = prometheus_configuration(self._pods_file, host, options.rule_files, options.pod_labels)
        (self.directory / "prometheus.yml").write_text(yaml.safe_dump(prometheus, sort_keys=False))
        (self.directory / "alertmanager.yml").write_text(yaml.safe_dump(alertmanager_configuration()))
        for component in self.components:
            component.start()
        self._alertmanager.wait_for_answer(f"{self.alertmanager_url}/api/v2/status")
        self._prometheus.wait_for_answer(f"{self.url}/api/v1/status/runtimeinfo")

    def stop(self) -> None:
        """Stop all programs."""
        for component in reversed(self.components):
            component.stop()

    def query(self, expression: str) -> list[Sample]:
        """Evaluate a PromQL expression now. Raises LabError with Prometheus's message if the expression is invalid."""
        return samples(self.url, expression)

    def targets(self) -> list[dict[str, Any]]:
        """Return the targets that are scraped, each with ``labels``, ``health`` and ``lastError``."""
        found: list[dict[str, Any]] = answer(f"{self.url}/api/v1/targets", state="active")["data"]["activeTargets"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules, each with ``name``, ``type``, ``health`` and ``lastError``."""
        groups = answer(f"{self.url}/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def alerts(self) -> list[dict[str, Any]]:
        """Return the active alerts of Alertmanager, each with ``labels`` and ``annotations``."""
        found: list[dict[str, Any]] = answer(f"{self.alertmanager_url}/api/v2/alerts")
        return found


def _prometheus(directory: Path, host: str) -> list[str]:
    return [
        "prometheus",
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data' / 'prometheus'}",
        f"--web.listen-address={host}",
    ]


def _alertmanager(directory: Path, host: str) -> list[str]:
    return [
        "prometheus-alertmanager",
        f"--config.file={directory / 'alertmanager.yml'}",
        f"--storage.path={directory / 'data' / 'alertmanager'}",
        f"--web.listen-address={host}",
        "--cluster.listen-address=",
    ]
