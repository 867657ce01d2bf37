"""Which pods Prometheus scrapes, and with which labels."""

import json
from pathlib import Path

from posefleet_lab.monitoring.discovery import prometheus_configuration, targets


def test_targets_have_the_labels_of_prometheus_s_own_discovery():
    metadata = {"namespace": "lab", "name": "pod", "labels": {"posefleet.io/job": "reaching"}}
    pod = {
        "metadata": {**metadata, "annotations": {"prometheus.io/scrape": "true"}},
        "status": {"podIP": "10.0.0.1", "phase": "Running"},
    }
    assert targets([pod, {"metadata": metadata, "status": {}}]) == [
        {
            "targets": ["10.0.0.1"],
            "labels": {
                "__meta_kubernetes_namespace": "lab",
                "__meta_kubernetes_pod_name": "pod",
                "__meta_kubernetes_pod_ip": "10.0.0.1",
                "__meta_kubernetes_pod_phase": "Running",
                "__meta_kubernetes_pod_label_posefleet_io_job": "reaching",
                "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true",
            },
        }
    ]
    scrape = prometheus_configuration(Path("/pods.json"), "127.0.0.1:9093", [], {"job": "posefleet.io/job"})[
        "scrape_configs"
    ][0]
    assert {
        "source_labels": ["__meta_kubernetes_pod_label_posefleet_io_job"],
        "regex": "(.+)",
        "target_label": "job",
    } in scrape["relabel_configs"]
    assert json.dumps(scrape["file_sd_configs"]) == '[{"files": ["/pods.json"]}]'
