"""A store with four objects of 100 bytes, and a cache that holds two of them."""

from pathlib import Path

import pytest

from posefleet_trainer.store.cache import NodeCache
from unit.trainer.store.cache.counting_store import CountingStore


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    store = CountingStore(tmp_path / "store")
    for name in "abcd":
        store.write(f"{name}.bin", name.encode() * 100)
    return store


@pytest.fixture
def cache(tmp_path: Path) -> NodeCache:
    return NodeCache(tmp_path / "cache", 250)
