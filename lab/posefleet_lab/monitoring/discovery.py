"""Which pods Prometheus scrapes: ``python -m posefleet_lab.monitoring.discovery KUBECONFIG FILE``.

Debian's Prometheus is built without discovery of Kubernetes pods. This program follows the API server and writes what
that discovery would find, with the same labels, into a file that Prometheus watches.
"""

import asyncio
import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..api_client import Api, Reflector
from ..manifests import Manifest

META = "__meta_kubernetes"
_ANNOTATION = f"{META}_pod_annotation_prometheus_io"
_INTERVAL = "2s"
_BURST_SECONDS = 0.2


def prometheus_configuration(
    pods_file: Path, alertmanager: str, rule_files: Sequence[Path], pod_labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return Prometheus's configuration.

    A label that a program sets on a series takes precedence over the label from its pod.

    Args:
        pods_file: the file that ``follow`` writes.
        alertmanager: host and port of Alertmanager.
        rule_files: files with rules; the last component of a path may be a glob.
        pod_labels: maps each label to add to series to the label of the pod from which its value comes.
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


def alertmanager_configuration() -> dict[str, Any]:
    """Return a configuration of Alertmanager that groups alerts immediately and notifies nobody."""
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


def targets(pods: Iterable[Manifest]) -> list[dict[str, Any]]:
    """Return one target for each pod that has an address, in the format of Prometheus's file discovery."""
    return [
        {"targets": [pod["status"]["podIP"]], "labels": _labels(pod)}
        for pod in pods
        if (pod.get("status") or {}).get("podIP")
    ]


def sanitized(name: str) -> str:
    """Replace characters that Prometheus does not allow in the name of a label by underscores."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


async def follow(kubeconfig: str, file: Path) -> None:
    """Follow the API server and keep the file up to date until cancelled."""
    api = await Api.connect(kubeconfig)
    dirty = asyncio.Event()
    note = lambda _pod: dirty.set()  # noqa: E731
    pods = Reflector(api, "/api/v1/pods", {"fieldSelector": "status.phase=Running"}, note, note)
    following = asyncio.create_task(pods.run())
    while not following.done():
        fresh = file.with_suffix(".fresh")
        fresh.write_text(json.dumps(targets(pods.objects.values()), indent=1))
        fresh.replace(file)
        await dirty.wait()
        dirty.clear()
        await asyncio.sleep(_BURST_SECONDS)  # write one file for a burst of changes
    await following


def _labels(pod: Manifest) -> dict[str, str]:
    metadata = pod["metadata"]
    found = {
        f"{META}_namespace": metadata["namespace"],
        f"{META}_pod_name": metadata["name"],
        f"{META}_pod_ip": pod["status"]["podIP"],
        f"{META}_pod_phase": pod["status"]["phase"],
    }
    for kind in ("label", "annotation"):
        entries = (metadata.get(f"{kind}s") or {}).items()
        found |= {f"{META}_pod_{kind}_{sanitized(name)}": value for name, value in entries}
    return found


def main() -> None:
    """Follow the cluster of the kubeconfig named on the command line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(follow(sys.argv[1], Path(sys.argv[2])))


if __name__ == "__main__":
    main()
