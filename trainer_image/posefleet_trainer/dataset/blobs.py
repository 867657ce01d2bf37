"""Prepared files in the store, named by their content."""

from pathlib import Path

from posefleet_trainer.dataset.prepared import StoredFile
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.files import sha256_of


def put_blob(store: Store, path: Path) -> StoredFile:
    """Upload ``path`` unless its content is there already."""
    digest = sha256_of(path)
    blob = StoredFile(key=f"files/{digest}{path.suffix}", size_bytes=path.stat().st_size, sha256=digest)
    if not has_blob(store, blob):
        store.upload(path, blob.key)
    return blob


def has_blob(store: Store, blob: StoredFile) -> bool:
    """Whether the file is there in full."""
    found = store.find(blob.key)
    return found is not None and found.size_bytes == blob.size_bytes
