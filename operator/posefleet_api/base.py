"""The base of every API model, and rules that hold in pydantic and in the API server alike."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    ValidationError,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

VALIDATIONS = "x-kubernetes-validations"
#: Marks a field whose default the operator fills in, from its own configuration: the API server must not.
DEFAULT_OF_CLUSTER: dict[str, JsonValue] = {"x-default-of-cluster": True}


class ApiModel(BaseModel):
    """Frozen, camelCase outside, and as strict as a structural schema: no unknown field, no text for a number."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        """``1.0`` is an integer to the API server, which stores it as ``1``."""
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def to_dict(self) -> dict[str, Any]:
        """The model as a Kubernetes object's part: camelCase, without what is unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def to_json(self) -> str:
        """``to_dict`` as JSON text."""
        return self.model_dump_json(by_alias=True, exclude_none=True)

    def choices(self) -> str:
        """As JSON text what is other than the defaults: the same in a version that has more fields."""
        return self.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True)


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """CEL rules of a model as ``json_schema_extra``; the model's validators say the same in Python."""
    return {VALIDATIONS: [{"rule": rule, "message": message} for rule, message in pairs]}


def _cel_pattern(pattern: str) -> str:
    quoted = pattern.replace("\\", "\\\\").replace("'", "\\'")
    return f"'^(?:{quoted})$'"


@dataclass(frozen=True)
class Matches:
    """A pattern whose refusal says what to write instead, in pydantic and (as CEL) in the API server.

    ``pattern`` must mean the same to RE2 and to ``re`` and is matched against the whole text.
    """

    pattern: str
    message: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        compiled = re.compile(self.pattern, re.ASCII)

        def check(value: str) -> str:
            if not compiled.fullmatch(value):
                raise ValueError(self.message)
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result = handler(schema)
        rule = f"self.matches({_cel_pattern(self.pattern)})"
        result.setdefault(VALIDATIONS, []).append({"rule": rule, "message": self.message})
        return result


@dataclass(frozen=True)
class KeysMatch:
    """``Matches`` for the keys of a map, which must be bounded by ``max_length``."""

    pattern: str
    message: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        compiled = re.compile(self.pattern, re.ASCII)

        def check(value: dict[str, Any]) -> dict[str, Any]:
            if not all(compiled.fullmatch(key) for key in value):
                raise ValueError(self.message)
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result = handler(schema)
        rule = f"self.all(key, key.matches({_cel_pattern(self.pattern)}))"
        result.setdefault(VALIDATIONS, []).append({"rule": rule, "message": self.message})
        return result


@dataclass(frozen=True)
class Embedded:
    """A fragment of a Kubernetes object whose fields the API server of this version knows best."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del schema, handler
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def validation_messages(error: ValidationError, no_such_field: str, within: str = "") -> str:
    """A line for every mistake: the field's path (below ``within``), and what is wrong with it.

    ``no_such_field`` is said of a field that does not exist.
    """
    return "\n".join(_line(found, no_such_field, within) for found in error.errors(include_url=False))


def _line(found: Any, no_such_field: str, within: str) -> str:
    path = ".".join(str(part) for part in ((within,) if within else ()) + tuple(found["loc"]))
    text = no_such_field if found["type"] == "extra_forbidden" else str(found["msg"]).removeprefix("Value error, ")
    return f"{path}: {text}" if path else text
