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


def test_only_three_things_of_the_spec_must_be_given():
    spec = _ROOT["properties"]["spec"]
    assert set(spec["required"]) == {"dataset", "output"}
    assert [path for path, field in fields(spec, "spec") if path.count(".") == 2 and "default" not in field] == [
        "spec.dataset.uri",
        "spec.storage.endpoint",
        "spec.output.uri",
        "spec.losses.temporal",
        "spec.losses.pcaSingleView",
        "spec.losses.pcaMultiView",
        "spec.losses.unimodal",
        "spec.podTemplate.affinity",
    ]


def test_fields_are_camel_case():
    names = [path.rsplit(".", 1)[-1] for path, _ in all_fields()]
    assert [name for name in names if "_" in name or not name[0].islower()] == []
