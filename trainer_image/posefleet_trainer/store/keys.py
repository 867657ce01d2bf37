"""Keys of objects: relative paths that stay inside their root."""

import unicodedata

from posefleet_trainer.errors import InvalidInput

MAX_KEY_BYTES = 1024
#: Control characters, halves of characters, and what breaks lines.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def is_safe_key(key: str) -> bool:
    """Whether ``key`` is a relative path of plain segments: no '..', no '.', no empty one, no backslash."""
    if not key or len(key.encode(errors="replace")) > MAX_KEY_BYTES or "\\" in key:
        return False
    if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in key):
        return False
    return all(segment not in {"", ".", ".."} for segment in key.split("/"))


def checked_key(key: str) -> str:
    """The key as it is.

    Raises:
        InvalidInput: it could lead out of the store's root.
    """
    if not is_safe_key(key):
        raise InvalidInput(
            f"{key[:200]!r} is not a path inside its folder: "
            "use names and '/' alone, without '..', '\\' or a leading '/'"
        )
    return key


def folder_prefix(path: str) -> str:
    """``a/b`` and ``/a/b/`` as ``a/b/``; the root as an empty text."""
    inner = path.strip("/")
    return f"{inner}/" if inner else ""
