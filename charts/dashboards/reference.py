"""Builds docs/metrics.md, the reference of all metrics, panels and alerts."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from exposed import Exposed, operator_metrics, trainer_metrics

from posefleet_operator.reasons import reasons_by_outcome

_RULES = Path("charts", "posefleet", "rules", "posefleet.yaml")
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

Json = dict[str, Any]


def metrics_reference(dashboards: dict[str, Json], root: Path) -> str:
    """Return the content of docs/metrics.md."""
    groups = yaml.safe_load((root / _RULES).read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    uses = _uses(dashboards, rules)
    sections = [
        Path(__file__).with_name("introduction.md").read_text(encoding="utf-8").rstrip(),
        _metrics("Metrics of the operator", operator_metrics(), uses),
        "\n".join(
            [
                "Attempts end with the following outcomes and reasons. All other reasons are counted as `Other`.",
                "",
                *_ends(),
            ]
        ),
        _metrics("Metrics of the trainer", trainer_metrics(), uses),
        _recorded(rules),
        *(_dashboard(board) for board in dashboards.values()),
        _alerts(rules),
    ]
    return "\n\n".join(sections) + "\n"


def _uses(dashboards: dict[str, Json], rules: list[Json]) -> dict[str, list[str]]:
    """Map each word of PromQL to the panels and alerts that use it, directly or through recorded series."""
    uses: dict[str, list[str]] = defaultdict(list)
    for place, expr in _expressions(dashboards, rules):
        for word in dict.fromkeys(_WORD.findall(expr)):
            uses[word].append(place)
    for rule in rules:
        if "record" in rule:
            for word in dict.fromkeys(_WORD.findall(rule["expr"])):
                uses[word] += uses[rule["record"]]
    return uses


def _expressions(dashboards: dict[str, Json], rules: list[Json]) -> Iterator[tuple[str, str]]:
    for name, board in dashboards.items():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"{name.title()}: {panel['title']}", target["expr"]
        for annotation in board["annotations"].get("list", []):
            yield f"{name.title()}: {annotation['name']}", annotation.get("expr", "")
    for rule in rules:
        if "alert" in rule:
            yield rule["alert"], rule["expr"]


def _metrics(title: str, metrics: list[Exposed], uses: dict[str, list[str]]) -> str:
    lines = [f"## {title}", "", "| Metric | Type | Labels | Unit | Meaning | Used by |", "|---|---|---|---|---|---|"]
    for metric in metrics:
        places = dict.fromkeys(place for series in metric.series for place in uses[series])
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(
            f"| `{metric.name}` | {metric.kind} | {labels} | {metric.unit} | {metric.text} | {'; '.join(places)} |"
        )
    return "\n".join(lines)


def _ends() -> Iterator[str]:
    yield from ("| Outcome | Reasons |", "|---|---|")
    for outcome, reasons in reasons_by_outcome().items():
        yield f"| {outcome} | {', '.join(reasons)} |"


def _recorded(rules: list[Json]) -> str:
    lines = ["## Recorded series", "", "Several panels and alerts use these series.", ""]
    for rule in rules:
        if "record" in rule:
            lines += [f"`{rule['record']}`", "", "```", rule["expr"].rstrip(), "```", ""]
    return "\n".join(lines).rstrip()


def _dashboard(board: Json) -> str:
    lines = [f"## Dashboard {board['title']}", "", board["description"], "", "| Panel | Description |", "|---|---|"]
    for panel in board["panels"]:
        if panel["type"] == "row":
            lines.append(f"| **{panel['title']}** | |")
        else:
            lines.append(f"| {panel['title']} | {panel['description']} |")
    return "\n".join(lines)


def _alerts(rules: list[Json]) -> str:
    lines = ["## Alerts", "", "| Alert | Severity | Fires after | Summary |", "|---|---|---|---|"]
    for rule in rules:
        if "alert" in rule:
            link = f"[{rule['alert']}](runbooks/{rule['alert']}.md)"
            said = re.sub(r"{{ \$labels\.(\w+) }}", r"*\1*", rule["annotations"]["summary"])
            lines.append(f"| {link} | {rule['labels']['severity']} | {rule.get('for', 'immediately')} | {said} |")
    return "\n".join(lines)
