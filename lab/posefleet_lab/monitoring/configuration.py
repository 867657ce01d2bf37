"""What Prometheus scrapes: every running pod whose annotations ask for it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ANNOTATION = "__meta_kubernetes_pod_annotation_prometheus_io"
_INTERVAL = "2s"


def prometheus(
    kubeconfig: Path, alertmanager: str, rule_files: Sequence[Path], pod_labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return Prometheus's configuration.

    ``alertmanager`` is its host and port; ``pod_labels`` gives for a series' label the pod's label from
    which it comes. Labels that a program gives its series itself win over those of its pod.
    """
    return {
        "global": {"scrape_interval": _INTERVAL, "scrape_timeout": _INTERVAL, "evaluation_interval": _INTERVAL},
        "rule_files": [str(file.resolve()) for file in rule_files],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {
                "job_name": "pods",
                "honor_labels": True,
                "kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": str(kubeconfig)}],
                "relabel_configs": [*_annotated_pods(), *(_from_pod(*pair) for pair in pod_labels.items())],
            }
        ],
    }


def alertmanager() -> dict[str, Any]:
    """Return Alertmanager's configuration: it groups alerts at once and tells nobody."""
    route = {"receiver": "nobody", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    return {"route": route, "receivers": [{"name": "nobody"}]}


def _annotated_pods() -> list[dict[str, Any]]:
    address = ["__meta_kubernetes_pod_ip", f"{_ANNOTATION}_port"]
    return [
        {"source_labels": [f"{_ANNOTATION}_scrape"], "regex": "true", "action": "keep"},
        {"source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Running", "action": "keep"},
        {"source_labels": address, "separator": ":", "regex": r"(.+:\d+)", "target_label": "__address__"},
        {"source_labels": [f"{_ANNOTATION}_path"], "regex": "(.+)", "target_label": "__metrics_path__"},
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
    ]


def _from_pod(label: str, pod_label: str) -> dict[str, Any]:
    source = "__meta_kubernetes_pod_label_" + re.sub(r"[^a-zA-Z0-9_]", "_", pod_label)
    return {"source_labels": [source], "regex": "(.+)", "target_label": label}
