"""Whether results can be written where the manifest wants them, before anything is computed."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from posefleet_trainer.store.base import Store


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
