"""The base of every API model, rules that hold in pydantic and in the API server alike, and error messages."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel, to_snake
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

VALIDATIONS = "x-kubernetes-validations"
#: Marks a field whose default the operator fills in from its own configuration, so that the API server must not.
DEFAULT_OF_CLUSTER: dict[str, JsonValue] = {"x-default-of-cluster": True}


class ApiModel(BaseModel):
    """Base of all models: frozen, camelCase in JSON, and as strict as a structural schema.

    Unknown fields are refused, and so is a text in the place of a number.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
    )

    #: Integers that a CEL rule of the model computes with. The API server refuses ``1.0`` in them.
    computed_with: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: object, info: ValidationInfo) -> object:
        """Accept ``1.0`` as an integer, since the API server stores it as ``1``."""
        return value if info.field_name in cls.computed_with else _as_integers(value)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as a part of a Kubernetes object: camelCase, without fields that are None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def to_json(self) -> str:
        """Return ``to_dict`` as JSON text."""
        return self.model_dump_json(by_alias=True, exclude_none=True)

    def choices(self) -> str:
        """Return JSON text of the fields that differ from their defaults.

        It does not change when a later version adds fields with defaults.
        """
        return self.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True)


def _as_integers(value: object) -> object:
    if isinstance(value, list):
        return [_as_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return CEL rules of a model as ``json_schema_extra``. Validators of the model check the same in Python."""
    return {VALIDATIONS: [{"rule": rule, "message": message} for rule, message in pairs]}


def _cel_pattern(pattern: str) -> str:
    quoted = pattern.replace("\\", "\\\\").replace("'", "\\'")
    return f"'^(?:{quoted})$'"


@dataclass(frozen=True)
class _PatternRule:
    """A rule about texts that match a pattern, with a message that says what to write instead.

    It is checked by pydantic and, as a CEL rule, by the API server. ``pattern`` must have the same meaning in RE2 and
    in ``re``, and is matched against a whole text.
    """

    pattern: str
    message: str

    def allows(self, value: Any) -> bool:
        """Return whether a value keeps the rule."""
        raise NotImplementedError

    def cel(self) -> str:
        """Return the same as a CEL expression about ``self``."""
        raise NotImplementedError

    def matched(self, text: str) -> bool:
        """Return whether the whole of ``text`` matches the pattern."""
        return re.fullmatch(self.pattern, text, re.ASCII) is not None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: Any) -> Any:
            if not self.allows(value):
                raise ValueError(self.message)
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        result = handler(schema)
        result.setdefault(VALIDATIONS, []).append({"rule": self.cel(), "message": self.message})
        return result


class Matches(_PatternRule):
    """A pattern for a text."""

    def allows(self, value: str) -> bool:
        """Return whether the text matches."""
        return self.matched(value)

    def cel(self) -> str:
        """Return the CEL expression."""
        return f"self.matches({_cel_pattern(self.pattern)})"


class DoesNotMatch(_PatternRule):
    """A pattern that a text may not match."""

    def allows(self, value: str) -> bool:
        """Return whether the text does not match."""
        return not self.matched(value)

    def cel(self) -> str:
        """Return the CEL expression."""
        return f"!self.matches({_cel_pattern(self.pattern)})"


@dataclass(frozen=True)
class KeysMatch(_PatternRule):
    """A pattern for the keys of a map. The map must have a ``max_length``, which bounds the cost of the CEL rule."""

    #: Greatest length of a key.
    longest: int

    def allows(self, value: dict[str, Any]) -> bool:
        """Return whether every key matches and is short enough."""
        return all(len(key) <= self.longest and self.matched(key) for key in value)

    def cel(self) -> str:
        """Return the CEL expression."""
        return f"self.all(key, size(key) <= {self.longest} && key.matches({_cel_pattern(self.pattern)}))"


class NoKeysMatch(_PatternRule):
    """A pattern that no key of a map may match. The map must have a ``max_length``."""

    def allows(self, value: dict[str, Any]) -> bool:
        """Return whether no key matches."""
        return not any(map(self.matched, value))

    def cel(self) -> str:
        """Return the CEL expression."""
        return f"!self.exists(key, key.matches({_cel_pattern(self.pattern)}))"


@dataclass(frozen=True)
class UniqueBy:
    """A list whose items differ in one field, as ``x-kubernetes-list-type: map`` makes the API server check it.

    Server-side apply merges such lists item by item, as ``kubectl apply --server-side`` does with those of a pod.
    """

    #: The field's name in JSON.
    key: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        name = to_snake(self.key)

        def check(value: list[Any]) -> list[Any]:
            if len({getattr(item, name) for item in value}) < len(value):
                raise ValueError(f"two entries have the same {self.key}")
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}


def validation_messages(error: ValidationError, no_such_field: str, within: str = "") -> str:
    """Return a line for every mistake that pydantic found, with the path of the field as its author wrote it.

    Args:
        error: what pydantic raised.
        no_such_field: the message for a field that does not exist.
        within: the path of the object that was validated.
    """
    return "\n".join(_line(found, no_such_field, within) for found in error.errors(include_url=False))


def _line(found: Any, no_such_field: str, within: str) -> str:
    path = ".".join(str(part) for part in ((within,) if within else ()) + tuple(found["loc"]))
    text = no_such_field if found["type"] == "extra_forbidden" else str(found["msg"]).removeprefix("Value error, ")
    return f"{path}: {text}" if path else text
