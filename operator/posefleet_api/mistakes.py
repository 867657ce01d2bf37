"""What pydantic found wrong, in sentences that name the field as its author wrote it."""

from typing import Any

from pydantic import ValidationError


def mistakes(error: ValidationError, no_such_field: str, within: str = "") -> str:
    """A line for every mistake: the field's path (below ``within``), and what is wrong with it.

    ``no_such_field`` is said of a field that does not exist.
    """
    return "\n".join(_line(found, no_such_field, within) for found in error.errors(include_url=False))


def _line(found: Any, no_such_field: str, within: str) -> str:
    path = ".".join(str(part) for part in ((within,) if within else ()) + tuple(found["loc"]))
    text = no_such_field if found["type"] == "extra_forbidden" else str(found["msg"]).removeprefix("Value error, ")
    return f"{path}: {text}" if path else text
