"""The CRD's schema is structural and explains every field."""

from collections.abc import Iterator
from typing import Any

from posefleet_api.crd import custom_resource_definition

_ROOT = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")
        if "items" in field:
            yield from fields(field["items"], f"{path}.{name}[]")


def all_fields() -> list[tuple[str, dict[str, Any]]]:
    return [*fields(_ROOT["properties"]["spec"], "spec"), *fields(_ROOT["properties"]["status"], "status")]


def test_every_field_is_described():
    assert [path for path, field in all_fields() if not field.get("description")] == []


def test_no_field_has_what_a_structural_schema_forbids():
    forbidden = {"anyOf", "oneOf", "$ref", "const", "title"}
    assert [path for path, field in all_fields() if forbidden & field.keys()] == []


def test_no_default_is_null():
    assert [path for path, field in all_fields() if "default" in field and field["default"] is None] == []


def test_only_the_data_and_the_output_must_be_named():
    spec = _ROOT["properties"]["spec"]
    parts = {"spec": spec, **{f"spec.{name}": part for name, part in spec["properties"].items()}}
    required = {path: part["required"] for path, part in parts.items() if "required" in part}
    assert required == {
        "spec": ["dataset", "output"],
        "spec.dataset": ["uri"],
        "spec.storage": ["endpoint"],
        "spec.output": ["uri"],
    }


def test_the_api_server_fills_in_nothing_that_a_clusters_defaults_may_say():
    spec = _ROOT["properties"]["spec"]["properties"]
    assert spec["resources"]["default"] == {}
    for name, field in spec["resources"]["properties"].items():
        assert "default" not in field, name
        assert field["description"].endswith(", unless the administrator of your cluster has set another."), name
    for name in ("serviceAccountName", "priorityClassName", "runtimeClassName"):
        assert "default" not in spec["pod"]["properties"][name], name
    assert "default" not in spec["storage"]


def test_the_default_of_the_code_is_told_beside_that_of_the_cluster():
    fields = _ROOT["properties"]["spec"]["properties"]["resources"]["properties"]
    assert "Default: 16Gi, unless the administrator" in fields["memoryPerNode"]["description"]
    assert "Default: none, unless the administrator" in fields["gpuModel"]["description"]


def test_fields_are_camel_case():
    names = [path.rsplit(".", 1)[-1] for path, _ in all_fields()]
    assert [name for name in names if "_" in name or not name[0].islower()] == []
