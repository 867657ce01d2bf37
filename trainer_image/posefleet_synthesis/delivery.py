"""From a folder into a store."""

from pathlib import Path

from posefleet_trainer.store.base import Store

_TRUTH = "truth"


def upload_project(directory: Path, store: Store) -> int:
    """Put a project's files into ``store``, without its truth, which no training must see; 0 as an exit code.

    Raises:
        InvalidInput: the bucket is missing, or may not be written to.
        StoreUnreachable: the store does not answer.
    """
    for path in sorted(directory.rglob("*")):
        inside = path.relative_to(directory)
        if path.is_file() and inside.parts[0] != _TRUTH:
            store.upload(path, inside.as_posix())
    return 0
