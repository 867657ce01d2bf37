"""The CustomResourceDefinition of ``PoseTrainingJob``, with its structural schema made from the pydantic models."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from posefleet_api.base import DEFAULT_OF_CLUSTER, VALIDATIONS
from posefleet_api.constants import GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from posefleet_api.job import PoseTrainingJob

#: Name, type, JSONPath and priority of each column. Those with priority 1 are shown by ``-o wide`` only.
_COLUMNS: tuple[tuple[str, str, str, int], ...] = (
    ("Phase", "string", ".status.phase", 0),
    ("Queue-Pos", "string", ".status.queuePosition", 0),
    ("Progress", "string", ".status.progress.display", 0),
    ("ETA", "string", ".status.progress.eta", 0),
    ("Loss", "number", ".status.progress.loss", 0),
    ("Pixel-Err", "number", ".status.progress.validationPixelError", 0),
    ("GPUs", "integer", ".status.gpus", 0),
    ("Attempt", "integer", ".status.currentAttempt", 0),
    ("Last-Ckpt", "date", ".status.lastCheckpoint.time", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Step", "integer", ".status.progress.step", 1),
    ("Frames/s", "number", ".status.progress.framesPerSecond", 1),
    ("Queue", "string", ".spec.queue", 1),
    ("Reason", "string", '.status.conditions[?(@.type=="Running")].reason', 1),
    ("Report", "string", ".status.artifacts.report", 1),
)
#: Fields by which ``kubectl get ptj --field-selector`` and watches can select, on Kubernetes 1.31 and later.
_SELECTABLE = (".status.phase", ".spec.queue")


def custom_resource_definition() -> dict[str, Any]:
    """Return the CRD as a manifest."""
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
                    "selectableFields": [{"jsonPath": path} for path in _SELECTABLE],
                    "additionalPrinterColumns": [_column(*column) for column in _COLUMNS],
                }
            ],
        },
    }


def _root_schema() -> dict[str, Any]:
    schema = structural_schema(PoseTrainingJob)
    properties = schema["properties"]
    # The API server defines these three and refuses schemas that say more about them.
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
_OF_CLUSTER = ", unless the administrator of your cluster has set another."


def structural_schema(model: type[BaseModel]) -> Schema:
    """Return the OpenAPI v3 structural schema of a model, with references resolved and without null."""
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
    """Move the default of a field that the operator fills in to its description."""
    if _is_filled_in(source):
        node["description"] += f" Default: {node.pop('default') or 'none'}{_OF_CLUSTER}"
    return node


def split_default(description: str) -> tuple[str, str | None]:
    """Split a description into the meaning and the default of a field that the operator fills in.

    The default is None for other fields.
    """
    if not description.endswith(_OF_CLUSTER):
        return description, None
    meaning, _, default = description.removesuffix(_OF_CLUSTER).rpartition(" Default: ")
    return meaning, default


def _is_filled_in(source: Schema) -> bool:
    """Return whether the operator fills in a field, given its JSON schema as pydantic writes it."""
    return DEFAULT_OF_CLUSTER.keys() <= source.keys()


def _shortest_default(source: Schema, node: Schema) -> Schema:
    """Shorten the default of an object by what its fields' own defaults say and by what the operator fills in.

    Fields with CEL rules keep the rest, because the API server evaluates the rules on the default as it is written.
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
    """Rewrite exclusive bounds: OpenAPI 3.0 has ``minimum`` and ``exclusiveMinimum: true`` instead of one number."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in node:
            node[bound] = node[exclusive]
            node[exclusive] = True
    return node
