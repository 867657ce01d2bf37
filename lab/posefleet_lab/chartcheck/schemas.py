"""JSON schemas, one for each kind and each complete in itself, as kubeconform reads them.

They come from the Go modules of Kubernetes and of the Prometheus Operator. They are strict: a field that the kind does
not have is refused, as by ``kubectl apply --validate=strict``.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ..paths import cache_directory
from ..tools import golang
from ..tools.build_once import Report, build_once, digest, quiet

Schema = dict[str, Any]
NamedSchema = tuple[str, Schema]

# OpenAPI's exclusiveMinimum is a boolean, as in this draft.
_DRAFT = "http://json-schema.org/draft-04/schema#"
_REFERENCE = "#/definitions/"
_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# OpenAPI declares both as strings, but API servers also accept numbers.
_NUMBERS_TOO = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
}
_KEPT = (
    *("$ref", "type", "format", "enum", "required", "pattern", "minLength", "maxLength", "minimum", "maximum"),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems"),
    *("minProperties", "maxProperties", "allOf", "anyOf", "oneOf", "not"),
)

_KUBERNETES = ("kubelab", "k8s.io/kubernetes", "api/openapi-spec/swagger.json")
_MONITORING = ("schemas", "github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd")


class KubernetesTypes:
    """The types of one version of Kubernetes, from its ``swagger.json``."""

    def __init__(self, swagger: Mapping[str, Any]) -> None:
        self._raw: Mapping[str, Schema] = swagger["definitions"]
        self._strict = {name: strict(definition) for name, definition in self._raw.items()} | _NUMBERS_TOO

    def kinds(self) -> Iterator[NamedSchema]:
        """Yield the file name and the schema of every kind that a manifest can have."""
        for name, definition in self._raw.items():
            kinds = definition.get("x-kubernetes-group-version-kind", ())
            if len(kinds) == 1 and {"apiVersion", "kind"} <= definition.get("properties", {}).keys():
                group, version, kind = (kinds[0][part] for part in ("group", "version", "kind"))
                yield _file(group, version, kind), self._complete(_of_kind(self._strict[name], group, version, kind))

    def custom_kinds(self, definition: Mapping[str, Any]) -> Iterator[NamedSchema]:
        """Yield the file name and the schema of every version of a CustomResourceDefinition."""
        spec = definition["spec"]
        group, kind = spec["group"], spec["names"]["kind"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"] = {**schema["properties"], "metadata": {"$ref": _REFERENCE + _OBJECT_META}}
            name = version["name"]
            yield _file(group, name, kind), self._complete(_of_kind(schema, group, name, kind))

    def _complete(self, schema: Schema) -> Schema:
        """Add the definitions of all types that ``schema`` refers to, directly or indirectly."""
        found: dict[str, Schema] = {}
        waiting = set(_references(schema))
        while waiting:
            name = waiting.pop()
            found[name] = self._strict[name]
            waiting |= set(_references(found[name])) - found.keys()
        return {"$schema": _DRAFT, **schema, "definitions": dict(sorted(found.items()))}


def strict(schema: Mapping[str, Any]) -> Schema:
    """Convert a part of an OpenAPI document into a JSON schema that allows only the fields it names."""
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
    """Write each schema into its own file."""
    for name, schema in schemas:
        (directory / name).write_text(json.dumps(schema, separators=(",", ":")))


def _of_kind(schema: Schema, group: str, version: str, kind: str) -> Schema:
    named = {"apiVersion": {"enum": ["/".join(filter(None, (group, version)))]}, "kind": {"enum": [kind]}}
    required = sorted({*schema.get("required", ()), "apiVersion", "kind"})
    return {**schema, "properties": {**schema["properties"], **named}, "required": required}


def _file(group: str, version: str, kind: str) -> str:
    """Return the file name that kubeconform builds from ``{{ .ResourceKind }}{{ .KindSuffix }}.json``."""
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


class _Loader(yaml.CSafeLoader):
    """Loads a lone ``=`` as text, which YAML 1.1 reserves for a type that nobody uses."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda _loader, node: node.value)


def kubernetes_version() -> str:
    """Return the version of Kubernetes whose schemas are used, which is that of the lab's control plane."""
    return golang.required_version(*_KUBERNETES[:2])


def published_schemas(report: Report = quiet) -> Path:
    """Return the cached directory with the schemas of all kinds of Kubernetes and of the Prometheus Operator."""
    versions = [golang.required_version(module, dependency) for module, dependency, _ in (_KUBERNETES, _MONITORING)]
    target = (
        cache_directory() / "schemas" / digest(*(version.encode() for version in versions), Path(__file__).read_bytes())
    )
    return build_once(target, partial(_make, report=report), "make schemas of Kubernetes", report)


def custom_schemas(definitions: list[Path], directory: Path, report: Report = quiet) -> None:
    """Write the schemas of the CustomResourceDefinitions in YAML files into ``directory``."""
    types = _kubernetes_types(report)
    for path in definitions:
        definition = yaml.load(path.read_text(), _Loader)  # noqa: S506  a subclass of the safe loader
        write_schemas(types.custom_kinds(definition), directory)


def _make(directory: Path, report: Report) -> None:
    write_schemas(_kubernetes_types(report).kinds(), directory)
    module, dependency, place = _MONITORING
    custom_schemas(
        sorted((golang.module_directory(module, dependency, report) / place).glob("*.yaml")), directory, report
    )


def _kubernetes_types(report: Report) -> KubernetesTypes:
    module, dependency, place = _KUBERNETES
    return KubernetesTypes(json.loads((golang.module_directory(module, dependency, report) / place).read_text()))
