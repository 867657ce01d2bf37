"""docs/security.md says what the chart does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart.rendering import pod_specs, render_set
from posefleet_operator.builders.attempt_job import attempt_job
from posefleet_operator.builders.prepare_job import prepare_job
from unit.operator.builders import SETTINGS, a_job

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "security.md"
RULES = ROOT / "charts" / "posefleet" / "files"


def rows(comment: str) -> list[list[str]]:
    """The rows of the table below a comment, without its head."""
    lines = PAGE.read_text().split(f"<!-- {comment} -->\n")[1].splitlines()
    table = lines[: next(at for at, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def names(cell: str) -> list[str]:
    return ["" if cell == "core" else name for name in re.findall(r"`([^`]+)`", cell) or [cell]]


def granted(rules: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


def documented(comment: str) -> Iterator[tuple[str, str, str]]:
    for group, resources, verbs, reason in rows(comment):
        assert reason
        for resource in names(resources):
            yield from ((names(group)[0], resource, verb) for verb in names(verbs))


def test_every_file_of_rules_has_a_table() -> None:
    tables = re.findall(r"<!-- rights: (\S+) -->", PAGE.read_text())
    assert sorted(tables) == sorted(path.name for path in RULES.glob("*-rules.yaml"))


@pytest.mark.parametrize("file", sorted(path.name for path in RULES.glob("*-rules.yaml")))
def test_the_table_of_rights_is_what_the_chart_grants(file: str) -> None:
    rules = yaml.safe_load((RULES / file).read_text())
    assert sorted(documented(f"rights: {file}")) == sorted(granted(rules))


def pods() -> dict[str, dict[str, Any]]:
    """The specs of all pods that the chart and the operator make, by their names in the table."""
    of_chart = pod_specs(render_set("trial"))
    job = a_job().parsed()
    of_operator = [
        attempt_job(job, 1, "fingerprint", "shape", SETTINGS),
        prepare_job(job, 1, "fingerprint", "shape", SETTINGS),
    ]
    attempt, preparation = (manifest["spec"]["template"]["spec"] for manifest in of_operator)
    return {
        "operator": of_chart["posefleet-operator"],
        "trainer of a preparation": preparation,
        "trainer of an attempt": attempt,
        "`helm test`": of_chart["posefleet-test"],
        "trial store": of_chart["posefleet-store"],
    }


def written(pod: dict[str, Any], container: dict[str, Any]) -> str:
    """Where a container may write: its own volumes, all of them empty at first or a claim."""
    writable = {volume["name"] for volume in pod["volumes"] if {"emptyDir", "persistentVolumeClaim"} & volume.keys()}
    return ", ".join(sorted(f"`{m['mountPath']}`" for m in container["volumeMounts"] if m["name"] in writable))


def described(pod: dict[str, Any]) -> Iterator[list[str]]:
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        security = {**pod["securityContext"], **container["securityContext"]}
        yield [
            f"`{container['name']}`",
            str(security["runAsUser"]),
            "read-only" if security["readOnlyRootFilesystem"] else "writable",
            "no" if pod.get("automountServiceAccountToken") is False else "yes",
            written(pod, container),
        ]


def test_the_table_of_pods_is_what_runs() -> None:
    runs = [[name, *row] for name, pod in pods().items() for row in described(pod)]
    assert rows("pods") == runs
