"""A store that counts its downloads, and how the tests of the cache use it."""

import contextlib
import os
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge

from posefleet_trainer.errors import StoreUnreachable
from posefleet_trainer.store.base import StoredObject
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.folder import FolderStore


class CountingStore(FolderStore):
    """Counts downloads, and may do something in each."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.downloads: list[str] = []
        self.meanwhile = lambda: None

    def download(self, stored: StoredObject, target: Path) -> None:
        self.downloads.append(stored.key)
        self.meanwhile()
        super().download(stored, target)


def fetch(cache: NodeCache, store: CountingStore, key: str) -> Path:
    found = store.find(key)
    assert found is not None
    return cache.fetch(store, key, found.size_bytes, found.etag)


def use_in_order(cache: NodeCache, store: CountingStore, *keys: str) -> None:
    """Fetch and release, each later than the one before by the clock of the files."""
    for second, key in enumerate(keys):
        path = fetch(cache, store, key)
        os.utime(path, (second, second))
        cache.release(path)


def counted(metric: Counter | Gauge) -> float:
    return next(iter(metric.collect())).samples[0].value


def bytes_in(folder: Path) -> int:
    """What lies in ``folder``; a file that is renamed meanwhile counts once."""
    sizes: dict[str, int] = {}
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            sizes[path.name.partition(".")[0]] = path.stat().st_size
    return sum(sizes.values())


def fail_to_fetch(cache: NodeCache, store: CountingStore, key: str) -> None:
    """Fetch an object while the store is unreachable."""

    def fail() -> None:
        raise StoreUnreachable("away")

    store.meanwhile = fail
    with pytest.raises(StoreUnreachable):
        fetch(cache, store, key)
    store.meanwhile = lambda: None
