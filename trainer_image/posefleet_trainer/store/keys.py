"""Keys of objects: relative paths that stay inside their root."""

from posefleet_trainer.errors import InvalidInput

MAX_KEY_BYTES = 1024


def is_safe_key(key: str) -> bool:
    """Whether ``key`` is a relative path of plain segments: no '..', no '.', no empty one, no backslash or NUL."""
    if not key or len(key.encode(errors="replace")) > MAX_KEY_BYTES or "\\" in key or not key.isprintable():
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
