"""The text of requests: one encoding that every parser of the API server accepts, and limits of the fields' lengths.

Messages of pods, names of files and manifests can contain any character. The API server parses most bodies as JSON,
but those of server-side apply as YAML, whose double-quoted strings differ from JSON in three ways: a character beyond
U+FFFF cannot be escaped as a surrogate pair, some characters may occur only in an escaped form, and a line break
(which NEL, LS and PS are too) is folded into a space.
"""

import json
import re
from typing import Any, Final

#: Characters that YAML does not accept unescaped, or takes for a line break or a byte order mark. ``json.dumps``
#: escapes those below U+0020 itself.
_ESCAPED_IN_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def encoded(body: Any) -> bytes:
    """Return ``body`` as UTF-8 text that is the same value in JSON and in YAML.

    Characters beyond U+FFFF are written as they are. Surrogates, which no UTF-8 text can contain, are joined to the
    character that a pair of them stands for, or else replaced.

    Raises:
        ValueError: if a number is not finite.
    """
    text = without_surrogates(json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    # All of these characters are inside of strings, because JSON has none of them elsewhere.
    return _ESCAPED_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def without_surrogates(text: str) -> str:
    """Return ``text`` with pairs of surrogates joined, and each single one replaced by U+FFFD."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def cut_to_bytes(text: str, limit: int) -> str:
    """Return as much of ``text`` as fits into ``limit`` bytes of UTF-8, in whole characters."""
    return without_surrogates(text).encode()[:limit].decode(errors="ignore")


def cut_to_schema(value: Any, schema: dict[str, Any]) -> Any:
    """Return a part of an object with its texts and lists cut to the ``maxLength`` and ``maxItems`` of its schema."""
    if isinstance(value, str):
        return without_surrogates(value)[: schema.get("maxLength")]
    if isinstance(value, list):
        items = schema.get("items", {})
        return [cut_to_schema(item, items) for item in value[: schema.get("maxItems")]]
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return {name: cut_to_schema(part, properties.get(name, {})) for name, part in value.items()}
    return value
