"""What the trainer asks of a store, whatever kind it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


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
