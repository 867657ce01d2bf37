"""Rules, dashboards and the ways by which Prometheus finds the pods."""

import json

import yaml

from chart.rendering import CHART, Manifest, of_kind, only, render
from chart.test_chart_network import TRAINERS
from posefleet_api.constants import LABEL_ATTEMPT, LABEL_JOB, TRAINER_PORT, TRAINER_PORT_NAME

LABELS = {"release": "kube-prometheus-stack"}
MONITORED = render(monitoring={"scrape": "monitors", "rules": True, "dashboards": True, "labels": LABELS})
_MONITORING_KINDS = ("ServiceMonitor", "PodMonitor", "PrometheusRule")


def test_the_rules_are_those_that_promtool_tests() -> None:
    files = sorted((CHART / "rules").glob("*.yaml"))
    assert files
    for file in files:
        rule = only(MONITORED, "PrometheusRule", f"-{file.stem}")
        assert rule["spec"] == yaml.safe_load(file.read_text())


def _runbooks(url: str) -> list[str]:
    monitoring = {"rules": True, "runbookUrl": url}
    groups = only(render(monitoring=monitoring), "PrometheusRule")["spec"]["groups"]
    return [rule["annotations"]["runbook_url"] for group in groups for rule in group["rules"] if "alert" in rule]


def test_alerts_lead_to_the_runbooks_that_the_lab_can_read() -> None:
    in_the_source = _runbooks("")
    assert in_the_source
    for url in ("https://git.lab/runbooks", "https://git.lab/runbooks/"):
        assert _runbooks(url) == [path.replace("docs/runbooks", "https://git.lab/runbooks") for path in in_the_source]


def test_each_dashboard_is_a_config_map_that_grafanas_sidecar_looks_for() -> None:
    files = sorted((CHART / "dashboards").glob("*.json"))
    assert files
    for file in files:
        config = only(MONITORED, "ConfigMap", f"-dashboard-{file.stem}")
        assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert [json.loads(text) for text in config["data"].values()] == [json.loads(file.read_text())]


def test_no_two_dashboards_have_the_same_file_name() -> None:
    """The sidecar puts all of them into one folder."""
    names = [name for one in of_kind(MONITORED, "ConfigMap") for name in one["data"] if name.endswith(".json")]
    assert len(names) == len(set(names)) == len(list((CHART / "dashboards").glob("*.json")))


def test_the_prometheus_operator_chooses_what_it_reads_by_label() -> None:
    for found in of_kind(MONITORED, *_MONITORING_KINDS):
        assert LABELS.items() <= found["metadata"]["labels"].items()


def _relabelled(pod_monitor: Manifest, labels: dict[str, str]) -> dict[str, str]:
    """The labels that a scrape's relabelling takes from a pod's."""
    prefix = "__meta_kubernetes_pod_label_"
    meta = {prefix + key.replace(".", "_").replace("/", "_").replace("-", "_"): value for key, value in labels.items()}
    rules = pod_monitor["spec"]["podMetricsEndpoints"][0]["relabelings"]
    return {rule["targetLabel"]: meta[rule["sourceLabels"][0]] for rule in rules}


def test_the_pod_monitor_finds_trainers_and_names_job_and_attempt() -> None:
    monitor = only(MONITORED, "PodMonitor")
    template = TRAINERS["attempt"]["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
    assert ports[monitor["spec"]["podMetricsEndpoints"][0]["port"]] == TRAINER_PORT
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == TRAINER_PORT_NAME
    assert _relabelled(monitor, labels) == {"training_job": labels[LABEL_JOB], "attempt": labels[LABEL_ATTEMPT]}


def test_the_service_monitor_finds_the_operators_service_and_keeps_its_labels() -> None:
    monitor, service = only(MONITORED, "ServiceMonitor"), only(MONITORED, "Service")
    pod = only(MONITORED, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= pod.items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["honorLabels"] is True
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_pod_monitor_looks_where_jobs_run() -> None:
    everywhere = only(MONITORED, "PodMonitor")["spec"]["namespaceSelector"]
    monitoring = {"scrape": "monitors"}
    there = only(render(monitoring=monitoring, watchNamespaces=["mice"]), "PodMonitor")["spec"]["namespaceSelector"]
    assert everywhere == {"any": True}
    assert there == {"matchNames": ["mice"]}


def test_without_the_prometheus_operator_none_of_its_kinds_is_needed() -> None:
    assert of_kind(render(), *_MONITORING_KINDS) == []


def test_pods_are_scraped_one_way_only() -> None:
    def annotated(scrape: str) -> bool:
        template = only(render(monitoring={"scrape": scrape}), "Deployment")["spec"]["template"]
        return template["metadata"]["annotations"].get("prometheus.io/scrape") == "true"

    assert {scrape: annotated(scrape) for scrape in ("annotations", "monitors", "none")} == {
        "annotations": True,
        "monitors": False,
        "none": False,
    }
