"""Keys of objects: relative paths that stay inside their root."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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


@dataclass(frozen=True)
class StoredObject:
    """One object: its key relative to the store's root, its size, and a tag that changes with its content."""

    key: str
    size_bytes: int
    etag: str


class Store(Protocol):
    """A folder of objects under one URI. Keys are relative to it and never leave it.

    Every method retries what a store may get wrong for a while, within the store's patience.

    Raises:
        InvalidInput: bucket missing, access denied, key missing: names the URI and the remedy.
        StoreUnreachable: no answer within the patience.
    """

    uri: str

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """All objects whose key begins with ``prefix``, in the order of their keys."""

    def find(self, key: str) -> StoredObject | None:
        """The object, or None."""

    def read(self, key: str) -> bytes:
        """A small object, whole."""

    def read_range(self, stored: StoredObject, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fails if the object changed since it was listed."""

    def download(self, stored: StoredObject, target: Path) -> None:
        """Parallel verified ranges into ``target``, which appears whole or not at all."""

    def write(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Put a small object; readers see the old or the new one."""

    def upload(self, source: Path, key: str, content_type: str = "application/octet-stream") -> None:
        """Put a file; readers see the old or the new one."""

    def delete(self, key: str) -> None:
        """Delete the object if it is there."""

    def child(self, prefix: str) -> "Store":
        """The store of a folder inside this one."""
