"""What Prometheus scrapes: every running pod whose annotations ask for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .discovery import META, sanitized

_ANNOTATION = f"{META}_pod_annotation_prometheus_io"
_INTERVAL = "2s"


def prometheus(
    pods_file: Path, alertmanager: str, rule_files: Sequence[Path], pod_labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return Prometheus's configuration.

    ``pods_file`` is what ``discovery`` writes, ``alertmanager`` a host and port; ``pod_labels`` gives for a series'
    label the pod's label from which it comes. Labels that a program gives its series itself win over those of its pod.
    """
    return {
        "global": {"scrape_interval": _INTERVAL, "scrape_timeout": _INTERVAL, "evaluation_interval": _INTERVAL},
        "rule_files": [str(file.resolve()) for file in rule_files],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {
                "job_name": "pods",
                "honor_labels": True,
                "file_sd_configs": [{"files": [str(pods_file)]}],
                "relabel_configs": [*_annotated_pods(), *(_from_pod(*pair) for pair in pod_labels.items())],
            }
        ],
    }


def alertmanager() -> dict[str, Any]:
    """Return Alertmanager's configuration: it groups alerts at once and tells nobody."""
    route = {"receiver": "nobody", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    return {"route": route, "receivers": [{"name": "nobody"}]}


def _annotated_pods() -> list[dict[str, Any]]:
    address = [f"{META}_pod_ip", f"{_ANNOTATION}_port"]
    return [
        {"source_labels": [f"{_ANNOTATION}_scrape"], "regex": "true", "action": "keep"},
        {"source_labels": [f"{META}_pod_phase"], "regex": "Running", "action": "keep"},
        {"source_labels": address, "separator": ":", "regex": r"(.+:\d+)", "target_label": "__address__"},
        {"source_labels": [f"{_ANNOTATION}_path"], "regex": "(.+)", "target_label": "__metrics_path__"},
        {"source_labels": [f"{META}_namespace"], "target_label": "namespace"},
        {"source_labels": [f"{META}_pod_name"], "target_label": "pod"},
    ]


def _from_pod(label: str, pod_label: str) -> dict[str, Any]:
    return {"source_labels": [f"{META}_pod_label_{sanitized(pod_label)}"], "regex": "(.+)", "target_label": label}
