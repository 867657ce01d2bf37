"""Every PromQL query of the chart's dashboards and rules, ready to be asked."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "charts" / "posefleet"
RULES = CHART / "rules" / "posefleet.yaml"

#: Metrics of others that the rules read, and their labels: those of NVIDIA's DCGM exporter.
FOREIGN_METRICS = {"DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_DEC_UTIL", "DCGM_FI_PROF_GR_ENGINE_ACTIVE"}
#: Of Prometheus' client library, in the operator.
PROCESS_METRICS = {"process_resident_memory_bytes"}
#: Series that exist only where pods hold GPUs.
GPU_SERIES = FOREIGN_METRICS | {
    "gpu:posefleet_gpu_utilization:ratio",
    "gpu:posefleet_gpu_decoder_utilization:ratio",
    "namespace:posefleet_goodput:ratio_rate1h",
}

_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_QUOTED = re.compile(r'"[^"]*"')
_LABEL_VALUES = re.compile(r"label_values\((.+), \w+\)")


@dataclass(frozen=True)
class Query:
    """PromQL and whose it is."""

    place: str
    expr: str

    @property
    def needs_gpu(self) -> bool:
        """Whether there is nothing to see without GPUs."""
        return self.place in GPU_SERIES or any(selector.metric in GPU_SERIES for selector in selectors(self.expr))


@dataclass(frozen=True)
class Selector:
    """A metric that a query reads, and the labels that it chooses by."""

    metric: str
    labels: frozenset[str]


def dashboards() -> dict[str, dict[str, Any]]:
    """The dashboards by the names of their files."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((CHART / "dashboards").glob("*.json"))}


def rules() -> list[dict[str, Any]]:
    """All recording rules and alerts."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """All alerts."""
    return [rule for rule in rules() if "alert" in rule]


def dashboard_queries(namespace: str, training_job: str, rate: str = "1m", window: str = "15m") -> list[Query]:
    """Every query of every panel, annotation and variable, for one job, with Grafana's variables filled in."""
    values = {"namespace": namespace, "job": training_job, "__rate_interval": rate, "__range": window}

    def filled(expr: str) -> str:
        return re.sub(r"\$\{?(\w+)\}?", lambda match: values[match[1]], expr)

    return [
        Query(f"{name}: {place}", filled(expr)) for name, board in dashboards().items() for place, expr in _asked(board)
    ]


def _asked(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in board["annotations"].get("list", []):
        yield annotation["name"], annotation["expr"]
    for variable in board["templating"]["list"]:
        if match := _LABEL_VALUES.fullmatch(str(variable.get("query"))):
            yield f"variable {variable['name']}", match[1]


def recorded_queries() -> list[Query]:
    """The expressions of the recording rules."""
    return [Query(rule["record"], rule["expr"]) for rule in rules() if "record" in rule]


def alert_queries() -> list[Query]:
    """What the alerts read: an alert that does not fire gives nothing, but each of its metrics must be there."""
    return [
        Query(f"{alert['alert']}: {metric}", metric)
        for alert in alerts()
        for metric in sorted({selector.metric for selector in selectors(alert["expr"])})
    ]


def selectors(expr: str) -> list[Selector]:
    """The metrics that an expression reads."""
    unquoted = _QUOTED.sub('""', expr)
    return [
        Selector(match[1], frozenset(_MATCHER.findall(match[2] or "")))
        for match in _SELECTOR.finditer(unquoted)
        if match[1].startswith("posefleet_") or ":" in match[1] or match[1] in FOREIGN_METRICS | PROCESS_METRICS
    ]


def unanswered(queries: Iterable[Query], ask: Callable[[str], Sequence[object]]) -> list[Query]:
    """The queries that a Prometheus (``ask`` gives the samples of an expression) has nothing to say to."""
    return [query for query in queries if not ask(query.expr)]
