"""What every store offers (``Store``), and which keys it accepts."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from posefleet_trainer.errors import InvalidInput

MAX_KEY_BYTES = 1024
#: Unicode categories of control characters, lone surrogates, and line and paragraph separators.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def is_safe_key(key: str) -> bool:
    """Tell whether ``key`` is a relative path without backslashes whose segments are not empty, '.' or '..'."""
    if not key or len(key.encode(errors="replace")) > MAX_KEY_BYTES or "\\" in key:
        return False
    if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in key):
        return False
    return all(segment not in {"", ".", ".."} for segment in key.split("/"))


def checked_key(key: str) -> str:
    """Return ``key`` unchanged if it is safe.

    Raises:
        InvalidInput: the key could lead out of the store's root.
    """
    if not is_safe_key(key):
        raise InvalidInput(
            f"{key[:200]!r} is not a path inside its folder: "
            "use names and '/' alone, without '..', '\\' or a leading '/'"
        )
    return key


def folder_prefix(path: str) -> str:
    """Return the prefix of the keys in a folder: ``a/b/`` for ``a/b`` or ``/a/b/``, and an empty text for the root."""
    inner = path.strip("/")
    return f"{inner}/" if inner else ""


@dataclass(frozen=True)
class StoredObject:
    """An object: its key relative to the store's root, its size, and a tag that changes with its content."""

    key: str
    size_bytes: int
    etag: str


class Store(Protocol):
    """A folder of objects under one URI. Keys are relative to it and never leave it.

    Every method repeats requests that fail temporarily, for as long as the store was opened to.

    Raises:
        InvalidInput: the bucket or the key is missing, or access is denied; the message names the URI and the remedy.
        StoreUnreachable: the store did not answer in time.
    """

    uri: str

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield all objects whose key begins with ``prefix``, in the order of their keys."""

    def find(self, key: str) -> StoredObject | None:
        """Return the object, or None if there is none."""

    def read(self, key: str) -> bytes:
        """Return the content of a small object."""

    def read_range(self, stored: StoredObject, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``; fails if the object has changed since it was listed."""

    def download(self, stored: StoredObject, target: Path) -> None:
        """Download the object to ``target``, which appears complete or not at all."""

    def write(self, key: str, content: bytes, content_type: str = "application/octet-stream") -> None:
        """Write a small object. Readers see the old or the new content, never a mixture."""

    def upload(self, source: Path, key: str, content_type: str = "application/octet-stream") -> None:
        """Write the content of a file. Readers see the old or the new content, never a mixture."""

    def delete(self, key: str) -> None:
        """Delete the object if it exists."""

    def child(self, prefix: str) -> "Store":
        """Return the store of a folder inside this one."""
