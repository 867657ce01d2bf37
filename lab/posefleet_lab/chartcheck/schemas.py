"""JSON schemas, one a kind and each complete in itself, as kubeconform reads them.

They are strict: a field that the kind does not have is refused, as by ``kubectl apply --validate=strict``.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
NamedSchema = tuple[str, Schema]

# In OpenAPI's documents exclusiveMinimum is a boolean, as it was in this draft.
_DRAFT = "http://json-schema.org/draft-04/schema#"
_REFERENCE = "#/definitions/"
_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# OpenAPI calls both strings; API servers also take numbers.
_NUMBERS_TOO = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
}
_KEPT = (
    *("$ref", "type", "format", "enum", "required", "pattern", "minLength", "maxLength", "minimum", "maximum"),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems"),
    *("minProperties", "maxProperties", "allOf", "anyOf", "oneOf", "not"),
)


class KubernetesTypes:
    """The types of one version of Kubernetes, from its ``swagger.json``."""

    def __init__(self, swagger: Mapping[str, Any]) -> None:
        self._raw: Mapping[str, Schema] = swagger["definitions"]
        self._strict = {name: strict(definition) for name, definition in self._raw.items()} | _NUMBERS_TOO

    def kinds(self) -> Iterator[NamedSchema]:
        """Give the file name and the schema of every kind that a manifest may have."""
        for name, definition in self._raw.items():
            kinds = definition.get("x-kubernetes-group-version-kind", ())
            if len(kinds) == 1 and {"apiVersion", "kind"} <= definition.get("properties", {}).keys():
                group, version, kind = (kinds[0][part] for part in ("group", "version", "kind"))
                yield _file(group, version, kind), self._complete(_of_kind(self._strict[name], group, version, kind))

    def custom_kinds(self, definition: Mapping[str, Any]) -> Iterator[NamedSchema]:
        """Give the file name and the schema of every version of a CustomResourceDefinition."""
        spec = definition["spec"]
        group, kind = spec["group"], spec["names"]["kind"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"] = {**schema["properties"], "metadata": {"$ref": _REFERENCE + _OBJECT_META}}
            name = version["name"]
            yield _file(group, name, kind), self._complete(_of_kind(schema, group, name, kind))

    def _complete(self, schema: Schema) -> Schema:
        """Add the types that ``schema`` refers to, and those that they refer to."""
        found: dict[str, Schema] = {}
        waiting = set(_references(schema))
        while waiting:
            name = waiting.pop()
            found[name] = self._strict[name]
            waiting |= set(_references(found[name])) - found.keys()
        return {"$schema": _DRAFT, **schema, "definitions": dict(sorted(found.items()))}


def strict(schema: Mapping[str, Any]) -> Schema:
    """Return a part of an OpenAPI document as JSON schema that takes no field but those it names."""
    made = {key: value for key, value in schema.items() if key in _KEPT}
    if "properties" in schema:
        made["properties"] = {name: strict(value) for name, value in schema["properties"].items()}
        made["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    if isinstance(schema.get("items"), Mapping):
        made["items"] = strict(schema["items"])
    if isinstance(schema.get("additionalProperties"), Mapping):
        made["additionalProperties"] = strict(schema["additionalProperties"])
    if schema.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    if schema.get("nullable"):
        _allow_null(made)
    return made


def write_schemas(schemas: Iterator[NamedSchema], directory: Path) -> None:
    """Write each schema into a file of its own."""
    for name, schema in schemas:
        (directory / name).write_text(json.dumps(schema, separators=(",", ":")))


def _of_kind(schema: Schema, group: str, version: str, kind: str) -> Schema:
    named = {"apiVersion": {"enum": ["/".join(filter(None, (group, version)))]}, "kind": {"enum": [kind]}}
    required = sorted({*schema.get("required", ()), "apiVersion", "kind"})
    return {**schema, "properties": {**schema["properties"], **named}, "required": required}


def _file(group: str, version: str, kind: str) -> str:
    """Return kubeconform's ``{{ .ResourceKind }}{{ .KindSuffix }}.json``."""
    return "-".join(filter(None, (kind.lower(), group.partition(".")[0], version))) + ".json"


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.removeprefix(_REFERENCE)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def _allow_null(schema: Schema) -> None:
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        schema["type"] = [*types, "null"]
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
