"""values.schema.json against values.yaml and against what the operator reads."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from chart.rendering import CHART, refusal
from posefleet_api.base import ApiModel
from posefleet_api.dataset import Storage
from posefleet_api.pod import PodOptions
from posefleet_api.resources import Resources

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
#: Objects of Kubernetes, which checks them itself, and what an umbrella chart shares.
FOREIGN = {
    "global",
    "affinity",
    "tolerations[]",
    "networkPolicy.monitoringPeers[]",
    "networkPolicy.trainerEgress[]",
    "namespaces[].limits[]",
    "trainer.pod.env[].valueFrom",
    "trainer.pod.tolerations[]",
    "trainer.pod.volumeMounts[]",
    "trainer.pod.volumes[]",
}
MODELS: dict[str, type[ApiModel]] = {
    "trainer.resources": Resources,
    "trainer.pod": PodOptions,
    "trainer.storage": Storage,
    "test.storage": Storage,
    "test.resources": Resources,
}


def _parts(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a schema, by its path in the values."""
    yield path, schema
    for choice in schema.get("anyOf", ()):
        if choice.get("maxProperties") != 0:
            yield from _parts(choice, path)
    for name, part in schema.get("properties", {}).items():
        yield from _parts(part, f"{path}.{name}".removeprefix("."))
    if "items" in schema:
        yield from _parts(schema["items"], f"{path}[]")


def _names(path: str) -> set[str]:
    """The properties that the schema knows at a path."""
    return {name for found, part in _parts(SCHEMA) if found == path for name in part.get("properties", {})}


def _mappings(values: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(values, dict) and values:
        yield path, values
        for name, value in values.items():
            yield from _mappings(value, f"{path}.{name}".removeprefix("."))


def test_every_value_is_in_the_schema_and_the_other_way_round() -> None:
    for path, mapping in _mappings(VALUES):
        known = _names(path) - {"global"}
        if path in MODELS:
            assert mapping.keys() <= known, path
        elif known:
            assert mapping.keys() == known, path


def test_no_object_takes_a_name_that_it_does_not_know() -> None:
    lax = {
        path
        for path, part in _parts(SCHEMA)
        if part.get("type") == "object" and part.get("additionalProperties", True) is True
    }
    assert lax == FOREIGN


@pytest.mark.parametrize("path", MODELS)
def test_defaults_for_jobs_have_the_fields_of_the_api(path: str) -> None:
    assert _names(path) == {field.alias or name for name, field in MODELS[path].model_fields.items()}


def test_labels_that_selectors_go_by_cannot_be_replaced() -> None:
    said = refusal(commonLabels={"app.kubernetes.io/instance": "mine"})
    assert "commonLabels" in said
    assert "instance" in said
