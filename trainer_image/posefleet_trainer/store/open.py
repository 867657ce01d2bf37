"""From a URI to a store."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from posefleet_api.dataset import Storage
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store, checked_key, folder_prefix
from posefleet_trainer.store.folder import FolderStore


def _nothing() -> None:
    pass


def open_store(
    uri: str, storage: Storage | None, *, patience_seconds: float, on_received: Callable[[], None] = _nothing
) -> Store:
    """The folder ``uri`` (``s3://BUCKET/PREFIX/`` or ``file:///PATH/``); nothing is asked of it yet.

    ``patience_seconds``: how long each request goes on when the store does not answer, counted from its first failure.
    ``on_received`` is called for each part of a file that has come from afar.

    Raises:
        InvalidInput: the URI is of no known kind, leaves its root, or needs a ``storage`` that is missing.
    """
    scheme, rest = _split(uri)
    if scheme == "file":
        return FolderStore(Path("/" + unquote(rest).strip("/")))
    if storage is None:
        raise InvalidInput(f"{uri} needs storage: add storage.endpoint and storage.credentialsSecret")
    # The S3 client takes half a second to import, and a job on file:// URIs does not need it.
    from posefleet_trainer.store.s3 import S3Store
    from posefleet_trainer.store.s3_connection import S3Connection
    from posefleet_trainer.store.s3_http import Patience

    bucket, _, prefix = rest.partition("/")
    root = folder_prefix(prefix)
    if root:
        checked_key(root.rstrip("/"))
    return S3Store(S3Connection(storage, Patience(patience_seconds)), bucket, root, on_received)


def open_file(uri: str, storage: Storage | None, *, patience_seconds: float) -> tuple[Store, str]:
    """The store of the folder that the file ``uri`` lies in, and the file's key there."""
    folder, _, name = uri.rpartition("/")
    key = checked_key(unquote(name) if folder.startswith("file:") else name)
    return open_store(f"{folder}/", storage, patience_seconds=patience_seconds), key


def _split(uri: str) -> tuple[str, str]:
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme not in {"s3", "file"} or (scheme == "s3" and not urlsplit(uri).netloc):
        raise InvalidInput(f"{uri!r} is neither s3://BUCKET/PREFIX/ nor file:///PATH/")
    return scheme, rest


@contextmanager
def probe_object(store: Store, content: bytes) -> Iterator[str]:
    """The key of a new object that is deleted after the block.

    Raises:
        InvalidInput: the folder cannot be written; names it and the remedy.
    """
    key = f".posefleet-probe-{secrets.token_hex(8)}"
    store.write(key, content, "text/plain")
    try:
        yield key
    finally:
        store.delete(key)


def check_writable(store: Store) -> None:
    """Put a small object and delete it again.

    Raises:
        InvalidInput: the folder cannot be written; names it and the remedy.
    """
    with probe_object(store, b"posefleet may write here\n"):
        pass
