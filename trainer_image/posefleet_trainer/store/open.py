"""Opening the store that a URI names, and checking that it can be written to."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from posefleet_api.dataset import Storage
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store, StoredObject, checked_key, folder_prefix
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.folder import FolderStore


def _nothing() -> None:
    pass


def open_store(
    uri: str, storage: Storage | None, *, patience_seconds: float, on_received: Callable[[], None] = _nothing
) -> Store:
    """Return the store of the folder ``uri``, without sending it a request.

    Args:
        uri: ``s3://BUCKET/PREFIX/`` or ``file:///PATH/``.
        storage: endpoint and region of the S3 store; not needed for ``file://``.
        patience_seconds: how long a request is repeated while the store does not answer, from its first failure.
        on_received: called for each part of a file that has been received from an S3 store.

    Raises:
        InvalidInput: the URI has an unknown scheme, leaves its root, or needs a ``storage`` that is missing.
    """
    scheme, rest = _split(uri)
    if scheme == "file":
        return FolderStore(Path("/" + unquote(rest).strip("/")))
    if storage is None:
        raise InvalidInput(f"{uri} needs storage: add storage.endpoint and storage.credentialsSecretRef")
    # The S3 client takes half a second to import, and a job on file:// URIs does not need it.
    from posefleet_trainer.store.s3 import S3Store
    from posefleet_trainer.store.s3_connection import S3Connection
    from posefleet_trainer.store.s3_http import Patience

    bucket, _, prefix = rest.partition("/")
    root = folder_prefix(prefix)
    if root:
        checked_key(root.rstrip("/"))
    return S3Store(S3Connection(storage, Patience(patience_seconds)), bucket, root, on_received)


def find_file(uri: str, storage: Storage | None, field: str, *, patience_seconds: float) -> tuple[Store, StoredObject]:
    """Return the file ``uri``, and the store of the folder that contains it.

    Args:
        uri: of the file.
        storage: endpoint and region of the S3 store; not needed for ``file://``.
        field: the field of the manifest that names the file, for the message.
        patience_seconds: how long a request is repeated while the store does not answer, from its first failure.

    Raises:
        InvalidInput: the URI cannot be used, or the file does not exist.
        StoreUnreachable: the store did not answer.
    """
    folder, _, name = uri.rpartition("/")
    key = checked_key(unquote(name) if folder.startswith("file:") else name)
    store = open_store(f"{folder}/", storage, patience_seconds=patience_seconds)
    found = store.find(key)
    if found is None:
        raise InvalidInput(f"{field}: {uri} does not exist; upload it or correct the URI")
    return store, found


def fetch_file(uri: str, storage: Storage | None, field: str, cache: NodeCache, *, patience_seconds: float) -> Path:
    """Download the file ``uri`` to this node, and return its path there.

    ``cache`` keeps it until it is released. The other arguments and the errors are those of ``find_file``.
    """
    store, found = find_file(uri, storage, field, patience_seconds=patience_seconds)
    return cache.fetch(store, found.key, found.size_bytes, found.etag)


def _split(uri: str) -> tuple[str, str]:
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme not in {"s3", "file"} or (scheme == "s3" and not urlsplit(uri).netloc):
        raise InvalidInput(f"{uri!r} is neither s3://BUCKET/PREFIX/ nor file:///PATH/")
    return scheme, rest


@contextmanager
def probe_object(store: Store, content: bytes) -> Iterator[str]:
    """Write a new object with ``content``, yield its key, and delete it after the block.

    Raises:
        InvalidInput: the folder cannot be written to; the message names it and the remedy.
    """
    key = f".posefleet-probe-{secrets.token_hex(8)}"
    store.write(key, content, "text/plain")
    try:
        yield key
    finally:
        store.delete(key)


def check_writable(store: Store) -> None:
    """Write a small object and delete it again.

    Raises:
        InvalidInput: the folder cannot be written to; the message names it and the remedy.
    """
    with probe_object(store, b"posefleet may write here\n"):
        pass
