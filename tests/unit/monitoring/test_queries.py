"""What dashboards and rules ask for is PromQL, and asks for what the code tells."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml
from exposed import Exposed, operator_metrics, trainer_metrics

from posefleet_api.outcomes import TerminationReason
from posefleet_operator.reasons import reasons_by_outcome
from support.promtool import run_promtool
from support.queries import (
    FOREIGN_METRICS,
    PROCESS_METRICS,
    Query,
    alert_queries,
    alerts,
    dashboard_queries,
    dashboards,
    recorded_queries,
    rules,
    selectors,
)

ROOT = Path(__file__).parents[3]
#: What a scrape adds to the series of trainer pods; docs/metrics.md tells how.
SCRAPE_LABELS = {"namespace", "training_job", "pod", "attempt"}


def all_queries() -> list[Query]:
    asked = [Query(alert["alert"], alert["expr"]) for alert in alerts()]
    return [*dashboard_queries("lab", "reaching"), *recorded_queries(), *alert_queries(), *asked]


def exposed_series() -> dict[str, Exposed]:
    return {series: metric for metric in [*operator_metrics(), *trainer_metrics()] for series in metric.series}


def accepted(tmp_path: Path, exprs: list[str]) -> tuple[bool, str]:
    """Whether promtool takes all of them for PromQL."""
    made = [{"record": f"query_{number}", "expr": expr} for number, expr in enumerate(exprs)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": made}]}))
    return run_promtool("check", "rules", str(file))


def test_every_query_is_promql(tmp_path):
    exprs = [query.expr for query in all_queries()]
    well, said = accepted(tmp_path, exprs)

    assert well, said
    assert f"{len(exprs)} rules found" in said


def test_a_query_that_is_no_promql_is_noticed(tmp_path):
    assert not accepted(tmp_path, ["sum(rate(posefleet_jobs{namespace=~'x'}[$__rate_interval]))"])[0]


def test_every_query_reads_metrics_that_exist():
    known = {*exposed_series(), *FOREIGN_METRICS, *PROCESS_METRICS, *(r["record"] for r in rules() if "record" in r)}
    asked = {selector.metric for query in all_queries() for selector in selectors(query.expr)}

    assert asked - known == set()
    assert all(selectors(query.expr) for query in all_queries())


def test_every_label_that_a_query_chooses_by_exists():
    trainer = {series for metric in trainer_metrics() for series in metric.series}
    for query in all_queries():
        for selector in selectors(query.expr):
            metric = exposed_series().get(selector.metric)
            labels = set(metric.labels) if metric is not None else SCRAPE_LABELS
            assert selector.labels <= labels | (SCRAPE_LABELS if selector.metric in trainer else set()), query


def test_every_metric_is_of_use_to_a_panel_or_an_alert():
    asked = {s.metric for query in all_queries() for s in selectors(query.expr)}
    unused = [m.name for m in [*operator_metrics(), *trainer_metrics()] if not asked.intersection(m.series)]

    assert unused == []


def test_metrics_are_named_as_prometheus_has_it():
    for metric in [*operator_metrics(), *trainer_metrics()]:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric
        assert metric.text, metric
        assert not {"job", "instance", "pod", "le", "quantile"} & set(metric.labels), metric
        if metric.kind == "histogram":
            assert metric.name.endswith("_seconds"), metric


def test_dashboards_and_the_reference_are_those_of_the_code(tmp_path):
    """A metric, label or panel that the page lacks, or names in vain, makes it differ."""
    command = [sys.executable, str(ROOT / "charts" / "dashboards"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    page = tmp_path / "docs" / "metrics.md"
    page.parent.mkdir()
    text = (ROOT / "docs" / "metrics.md").read_text()
    page.write_text(text.replace("| `posefleet_jobs` | gauge |", "| `posefleet_jobs` | counter |"))
    assert page.read_text() != text
    stale = subprocess.run([*command, "--root", str(tmp_path)], capture_output=True, text=True, check=False)
    assert stale.returncode != 0
    assert "docs/metrics.md" in stale.stderr


@pytest.mark.parametrize("name", ["fleet", "job"])
def test_every_panel_asks_a_question_and_says_how_to_read_the_answer(name):
    panels = [panel for panel in dashboards()[name]["panels"] if panel["type"] != "row"]
    for panel in panels:
        assert "?" in panel["title"]
        assert len(panel["description"]) > 10
        if panel["type"] == "text":
            continue
        assert panel["targets"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        if panel["type"] != "table":
            assert panel["fieldConfig"]["defaults"]["unit"]
    titles = [panel["title"] for panel in panels]
    assert len(titles) == len(set(titles))
    ids = [panel["id"] for panel in dashboards()[name]["panels"]]
    assert len(ids) == len(set(ids))


# The classic schema is what ConfigMaps are read as in every Grafana since 10; the SDK would have us wait for its next.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["fleet", "job"])
def test_grafanas_own_types_read_the_dashboards(name):
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    board = dashboards()[name]
    read = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))

    for part in ("panels", "templating", "title", "uid", "schemaVersion", "time"):
        assert read[part] == board[part]


def test_panels_do_not_overlap():
    for board in dashboards().values():
        cells: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = {"x": 0, "y": 0, **panel["gridPos"]}
            own = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
            assert not own & cells, panel["title"]
            assert at["x"] + at["w"] <= 24
            cells |= own


def test_only_what_dcgm_and_goodput_need_waits_for_a_gpu():
    queries = [*dashboard_queries("lab", "reaching"), *recorded_queries(), *alert_queries()]
    waiting = {query.place for query in queries if query.needs_gpu}

    assert waiting == {
        "namespace:posefleet_goodput:ratio_rate1h",
        "gpu:posefleet_gpu_utilization:ratio",
        "gpu:posefleet_gpu_decoder_utilization:ratio",
        "PosefleetGpusIdle: gpu:posefleet_gpu_utilization:ratio",
        "fleet: How many GPUs do jobs hold, wait for, and keep busy? C",
        "fleet: Which namespaces lose GPU time? (goodput) A",
        "job: How busy are its GPUs? A",
        "job: Do its GPUs decode the videos? A",
    }


def test_every_end_that_a_trainer_tells_is_counted_from_zero():
    """What ends a preparation alone ends no attempt."""
    trainer_reasons = set(get_args(TerminationReason)) - {"Prepared"}

    assert trainer_reasons - {reason for reasons in reasons_by_outcome().values() for reason in reasons} == set()


def test_pods_that_are_kept_for_their_logs_are_not_scraped():
    config = yaml.safe_load((ROOT / "docs" / "metrics.md").read_text().split("```yaml\n")[1].split("```")[0])
    (rules,) = (one["relabel_configs"] for one in config["scrape_configs"] if one["job_name"] == "posefleet-trainer")
    phases = [rule for rule in rules if rule["source_labels"] == ["__meta_kubernetes_pod_phase"]]

    def dropped(phase: str) -> bool:
        return any(rule["action"] == "drop" and re.fullmatch(rule["regex"], phase) for rule in phases)

    assert {phase for phase in ("Pending", "Running", "Succeeded", "Failed") if dropped(phase)} == {
        "Succeeded",
        "Failed",
    }
