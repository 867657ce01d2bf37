"""Prepared files in the store, named by their content, and the records that name them."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from posefleet_api.base import ApiModel
from posefleet_trainer.dataset.prepared import StoredFile
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.files import sha256_of

Record = TypeVar("Record", bound=ApiModel)

_PARALLEL = 8


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


def have_blobs(store: Store, blobs: Iterable[StoredFile]) -> bool:
    """Whether all the files are there in full; asks for several at once."""
    distinct = {blob.key: blob for blob in blobs}
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="find") as pool:
        return all(pool.map(lambda blob: has_blob(store, blob), distinct.values()))


def read_record(store: Store, key: str, kind: type[Record]) -> Record | None:
    """The record at ``key``; None if it is not there, or is not what this version writes."""
    if store.find(key) is None:
        return None
    try:
        return kind.model_validate_json(store.read(key))
    except ValidationError:
        return None


def write_record(store: Store, key: str, record: ApiModel) -> None:
    """Put ``record`` at ``key`` as JSON."""
    store.write(key, record.to_json().encode(), "application/json")
