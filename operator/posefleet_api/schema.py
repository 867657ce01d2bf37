"""From a pydantic model to the structural schema of a CustomResourceDefinition."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from posefleet_api.base import VALIDATIONS

Schema = dict[str, Any]
_DROPPED = frozenset({"title", "$defs", "additionalProperties"})


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
    return _exclusive_bounds(_shortest_default(_description(result)))


def _description(node: Schema) -> Schema:
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    return node


def _shortest_default(node: Schema) -> Schema:
    """Leave out of an object's default what its fields' own defaults say; null means absent.

    Where CEL rules read the fields the default stays whole: the API server tries the rules on it as it stands.
    """
    if isinstance(default := node.get("default"), dict) and VALIDATIONS not in node:
        own = {name: child.get("default") for name, child in node.get("properties", {}).items()}
        node["default"] = {k: _without_null(v) for k, v in default.items() if v is not None and v != own.get(k)}
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
