"""Whether results can be written where the manifest wants them, before anything is computed."""

import secrets

from posefleet_trainer.store.base import Store


def check_writable(store: Store) -> None:
    """Put a small object and delete it again.

    Raises:
        InvalidInput: the folder cannot be written; names it and the remedy.
    """
    key = f".posefleet-probe-{secrets.token_hex(8)}"
    store.write(key, b"posefleet may write here\n", "text/plain")
    store.delete(key)
