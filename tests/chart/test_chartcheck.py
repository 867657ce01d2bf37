"""The check of charts finds what an API server or ``helm lint`` would not take."""

import shutil
from pathlib import Path

import pytest

from chart.rendering import CHART
from posefleet_lab.chartcheck.check import Finding, check
from posefleet_lab.chartcheck.schemas import KubernetesTypes, strict

REPOSITORY = CHART.parents[1]
CRDS = sorted((REPOSITORY / "crds").glob("*.yaml"))


def _changed_chart(directory: Path, file: str, old: str, new: str) -> Path:
    """A copy of the chart with one value set, in which one file is changed."""
    chart = directory / "chart"
    shutil.copytree(CHART, chart)
    for values in (chart / "ci").glob("*.yaml"):
        if values.stem != "monitored":
            values.unlink()
    text = (chart / file).read_text()
    assert old in text
    (chart / file).write_text(text.replace(old, new, 1))
    return chart


def _problems(findings: list[Finding]) -> str:
    return "\n".join(problem for finding in findings for problem in finding.problems)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("templates/deployment.yaml", "enableServiceLinks:", "enableServiceLink:", "'enableServiceLink' not allowed"),
        ("templates/deployment.yaml", "strategy: {type: Recreate}", "strategy: {type: 3}", "got number, want string"),
        ("templates/monitors.yaml", "honorLabels:", "honourLabels:", "'honourLabels' not allowed"),
        ("templates/deployment.yaml", "apiVersion: apps/v1", "apiVersion: apps/v9", "could not find schema"),
        ("templates/deployment.yaml", "kind: Deployment", "kind: {{ .Values.missing.value }}", "nil pointer"),
        ("Chart.yaml", "name:", "nome:", "chart.metadata.name is required"),
    ],
)
def test_a_mistake_in_the_chart_is_found(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    findings = check(_changed_chart(tmp_path, file, old, new), CRDS, [])
    assert said in _problems(findings)


def test_a_mistake_that_one_value_set_shows_is_put_down_to_it(tmp_path: Path) -> None:
    findings = check(_changed_chart(tmp_path, "templates/monitors.yaml", "honorLabels:", "honourLabels:"), CRDS, [])
    assert {finding.name: bool(finding.problems) for finding in findings} == {"defaults": False, "monitored": True}


def test_a_manifest_with_a_field_that_its_kind_lacks_is_found(tmp_path: Path) -> None:
    chart = _changed_chart(tmp_path, "Chart.yaml", "name:", "name:")
    manifest = tmp_path / "job.yaml"
    manifest.write_text((REPOSITORY / "examples" / "mig.yaml").read_text().replace("epochs:", "epoch:"))
    empty = tmp_path / "empty.yaml"
    empty.write_text("# nothing\n")
    found = {finding.name: finding.problems for finding in check(chart, CRDS, [manifest, empty])}
    assert found["defaults"] == []
    assert "'epoch' not allowed" in found["job.yaml"][0]
    assert found["empty.yaml"] == ["it contains no object"]


def test_a_strict_schema_takes_no_field_that_it_does_not_name() -> None:
    schema = strict(
        {
            "type": "object",
            "description": "dropped",
            "properties": {
                "description": {"type": "string", "nullable": True},
                "free": {"type": "object", "properties": {}, "x-kubernetes-preserve-unknown-fields": True},
                "port": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True},
                "many": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}}},
            },
        }
    )
    assert schema["additionalProperties"] is False
    assert "description" not in schema
    properties = schema["properties"]
    assert properties["description"] == {"type": ["string", "null"]}
    assert properties["free"]["additionalProperties"] is True
    assert properties["port"]["type"] == ["integer", "string"]
    assert properties["many"]["items"]["additionalProperties"] is False


def test_a_kinds_schema_brings_all_that_it_refers_to_even_where_types_contain_themselves() -> None:
    tree = {"properties": {"children": {"type": "array", "items": {"$ref": "#/definitions/Tree"}}}}
    kind = {
        "properties": {"apiVersion": {}, "kind": {}, "spec": {"$ref": "#/definitions/Tree"}},
        "x-kubernetes-group-version-kind": [{"group": "forests.example", "version": "v1", "kind": "Forest"}],
    }
    types = KubernetesTypes({"definitions": {"Tree": tree, "Forest": kind, "Other": {"type": "string"}}})
    ((name, schema),) = types.kinds()
    assert name == "forest-forests-v1.json"
    assert schema["definitions"].keys() == {"Tree"}
    assert schema["properties"]["apiVersion"] == {"enum": ["forests.example/v1"]}
    assert schema["required"] == ["apiVersion", "kind"]
