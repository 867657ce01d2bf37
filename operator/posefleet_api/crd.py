"""The CustomResourceDefinition of ``PoseTrainingJob``."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from posefleet_api.base import DEFAULT_OF_CLUSTER, VALIDATIONS
from posefleet_api.constants import GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from posefleet_api.job import PoseTrainingJob

#: Name, type and JSONPath of each column; those with a priority are shown by ``-o wide`` alone.
_COLUMNS: tuple[tuple[str, str, str, int], ...] = (
    ("Phase", "string", ".status.phase", 0),
    ("Progress", "string", ".status.progress.display", 0),
    ("ETA", "string", ".status.progress.eta", 0),
    ("Loss", "number", ".status.progress.loss", 0),
    ("Pixel-Err", "number", ".status.progress.validationPixelError", 0),
    ("GPUs", "integer", ".status.gpus", 0),
    ("Attempt", "integer", ".status.attempt", 0),
    ("Last-Ckpt", "date", ".status.lastCheckpoint.time", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Step", "integer", ".status.progress.step", 1),
    ("Frames/s", "number", ".status.progress.framesPerSecond", 1),
    ("Report", "string", ".status.artifacts.report", 1),
)


def custom_resource_definition() -> dict[str, Any]:
    """The whole CRD as a manifest."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": ["all", "posefleet"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _root_schema()},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*column) for column in _COLUMNS],
                }
            ],
        },
    }


def _root_schema() -> dict[str, Any]:
    schema = structural_schema(PoseTrainingJob)
    properties = schema["properties"]
    # The API server owns these three and refuses schemas that say more of them.
    properties["apiVersion"] = {"type": "string"}
    properties["kind"] = {"type": "string"}
    properties["metadata"] = {"type": "object"}
    return {
        "type": "object",
        "description": schema["description"],
        "required": ["spec"],
        "properties": properties,
        VALIDATIONS: schema[VALIDATIONS],
    }


def _column(name: str, kind: str, path: str, priority: int) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "priority": priority}


Schema = dict[str, Any]
_DROPPED = frozenset({"title", "$defs", "additionalProperties", *DEFAULT_OF_CLUSTER})
_OF_CLUSTER = ", or what your cluster's posefleet was installed with."


def structural_schema(model: type[BaseModel]) -> Schema:
    """``model`` as an OpenAPI v3 structural schema: references resolved, optional fields without null."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    definitions = schema.get("$defs", {})
    return _structural(schema, definitions)


def _structural(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    if reference := node.get("$ref"):
        target = definitions[reference.removeprefix("#/$defs/")]
        return _structural({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    if options := [option for option in node.get("anyOf", ()) if option.get("type") != "null"]:
        (option,) = options
        rest = {key: value for key, value in node.items() if key not in {"anyOf", "default"}}
        return _structural({**option, **rest}, definitions)
    result = {key: value for key, value in node.items() if key not in _DROPPED}
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    if "items" in node:
        result["items"] = _structural(node["items"], definitions)
    if "properties" in node:
        result["properties"] = {name: _structural(child, definitions) for name, child in node["properties"].items()}
    return _exclusive_bounds(_shortest_default(node, _default_of_cluster(node, _description(result))))


def _description(node: Schema) -> Schema:
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    return node


def _default_of_cluster(source: Schema, node: Schema) -> Schema:
    """Say the default of a field that the operator fills in, and leave it to the operator."""
    if _is_filled_in(source):
        node["description"] += f" Default: {node.pop('default') or 'none'}{_OF_CLUSTER}"
    return node


def split_default(description: str) -> tuple[str, str | None]:
    """A field's meaning, and its default if the operator fills it in and the cluster has no other."""
    if not description.endswith(_OF_CLUSTER):
        return description, None
    meaning, _, default = description.removesuffix(_OF_CLUSTER).rpartition(" Default: ")
    return meaning, default


def _is_filled_in(source: Schema) -> bool:
    """Whether the operator fills in a field, given its JSON schema as pydantic writes it."""
    return DEFAULT_OF_CLUSTER.keys() <= source.keys()


def _shortest_default(source: Schema, node: Schema) -> Schema:
    """Leave out of an object's default what its fields' own defaults say, and what the operator fills in; null means
    absent.

    Where CEL rules read the fields the rest stays: the API server tries the rules on a default as it stands.
    """
    if isinstance(default := node.get("default"), dict):
        fields = source.get("properties", {})
        kept = {k: v for k, v in default.items() if v is not None and not _is_filled_in(fields.get(k, {}))}
        if VALIDATIONS not in node:
            kept = {k: v for k, v in kept.items() if v != fields.get(k, {}).get("default")}
        node["default"] = {k: _without_null(v) for k, v in kept.items()}
    return node


def _without_null(value: Any) -> Any:
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def _exclusive_bounds(node: Schema) -> Schema:
    """OpenAPI 3.0 says ``minimum`` and ``exclusiveMinimum: true`` where JSON Schema has one number."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in node:
            node[bound] = node[exclusive]
            node[exclusive] = True
    return node
