"""The trainer's store on the real servers of two vendors."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integration.trainer.data.buckets import Bucket
from posefleet_lab.object_stores import Credentials
from posefleet_trainer.errors import InvalidInput, StoreUnreachable
from posefleet_trainer.store.base import StoredObject
from posefleet_trainer.store.cache import NodeCache
from posefleet_trainer.store.files import sha256_of
from posefleet_trainer.store.open import check_writable
from posefleet_trainer.telemetry.metrics import STORE_RETRIES


def a_file(path: Path, size_bytes: int) -> Path:
    path.write_bytes(os.urandom(size_bytes))
    return path


def test_small_objects_are_written_found_listed_read_and_deleted(bucket: Bucket):
    store = bucket.open("folder")
    for key in ("b/ü x.txt", "a.txt", "b.txt", "empty"):
        store.write(key, b"" if key == "empty" else key.encode())

    assert [stored.key for stored in store.list()] == ["a.txt", "b.txt", "b/ü x.txt", "empty"]
    assert [stored.key for stored in store.list("b/")] == ["b/ü x.txt"]
    assert store.read("b/ü x.txt") == "b/ü x.txt".encode()
    assert store.read("empty") == b""
    assert store.find("a.txt") == next(store.list("a"))
    store.delete("a.txt")
    store.delete("a.txt")
    assert store.find("a.txt") is None
    assert [stored.key for stored in bucket.open().list()] == ["folder/b.txt", "folder/b/ü x.txt", "folder/empty"]


def test_listings_of_several_pages_are_whole_and_in_order(bucket: Bucket):
    store = bucket.open("many")
    keys = [f"labeled-data/v{number % 7}/img{number:04d}.png" for number in range(1005)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.write(key, b"x"), keys))
    assert [stored.key for stored in store.list()] == sorted(keys)


def test_large_files_go_up_in_parts_and_come_down_in_ranges(bucket: Bucket, tmp_path: Path):
    store = bucket.open()
    source = a_file(tmp_path / "source", 50 * 2**20 + 3)
    store.upload(source, "large.bin")

    found = store.find("large.bin")

    assert found is not None
    assert found == next(store.list("large"))
    store.download(found, tmp_path / "copy")
    assert sha256_of(tmp_path / "copy") == sha256_of(source)
    assert store.read_range(found, 20 * 2**20, 5) == source.read_bytes()[20 * 2**20 : 20 * 2**20 + 5]


def test_object_that_changes_is_not_mixed_with_its_former_self(bucket: Bucket, tmp_path: Path):
    store = bucket.open()
    store.write("a", b"before")
    before = store.find("a")
    store.write("a", b"after!")
    assert before is not None
    with pytest.raises(InvalidInput, match="changed while it was read"):
        store.download(before, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_cache_serves_what_the_store_had(bucket: Bucket, tmp_path: Path):
    store = bucket.open()
    source = a_file(tmp_path / "source", 17 * 2**20)
    store.upload(source, "proxy.mp4")
    cache = NodeCache(tmp_path / "cache", 20 * 2**20)
    path = cache.fetch(store, "proxy.mp4", source.stat().st_size, sha256_of(source))
    assert path.read_bytes() == source.read_bytes()


def refusal(bucket: Bucket, key: str = "a") -> str:
    with pytest.raises(InvalidInput) as refused:
        bucket.open(patience_seconds=1).read(key)
    assert bucket.server.secret_key not in str(refused.value)
    return str(refused.value)


def test_missing_object_and_missing_bucket_are_told_apart(bucket: Bucket):
    assert refusal(bucket).startswith(f"s3://{bucket.name}/a does not exist; upload it")
    bucket.name = "no-such-bucket"
    assert "the bucket no-such-bucket does not exist" in refusal(bucket)
    with pytest.raises(InvalidInput, match="the bucket no-such-bucket does not exist"):
        list(bucket.open().list())
    with pytest.raises(InvalidInput, match="the bucket no-such-bucket does not exist"):
        bucket.open().find("a")


def test_wrong_secret_and_unknown_key_are_told_apart(bucket: Bucket):
    bucket.login(Credentials(bucket.server.access_key, "a-wrong-secret-key"))
    assert "correct AWS_SECRET_ACCESS_KEY" in refusal(bucket)
    bucket.login(Credentials("nobody", "a-wrong-secret-key"))
    assert "correct AWS_ACCESS_KEY_ID" in refusal(bucket)


def test_user_who_may_only_read_is_told_before_anything_is_computed(bucket: Bucket):
    bucket.open().write("a", b"content")
    bucket.login(bucket.server.read_only_user(bucket.name))
    store = bucket.open()
    assert store.read("a") == b"content"
    assert [stored.key for stored in store.list()] == ["a"]
    with pytest.raises(InvalidInput, match=r"denied to write it; give the user"):
        check_writable(store)


def test_nobody_may_read_a_private_bucket(bucket: Bucket):
    bucket.environment.delenv("AWS_ACCESS_KEY_ID")
    assert "denied to read it" in refusal(bucket)


def test_store_that_is_away_is_waited_for(bucket: Bucket, tmp_path: Path):
    store = bucket.open(patience_seconds=60)
    source = a_file(tmp_path / "source", 33 * 2**20)
    store.upload(source, "a")
    found = store.find("a")
    assert found is not None
    bucket.server.kill()
    before = STORE_RETRIES._value.get()
    copied = threading.Thread(target=store.download, args=(found, tmp_path / "copy"))
    copied.start()
    while STORE_RETRIES._value.get() == before:
        assert copied.is_alive()
    bucket.server.start()
    copied.join(90)
    assert sha256_of(tmp_path / "copy") == sha256_of(source)


def test_store_that_stays_away_is_unreachable(bucket: Bucket):
    store = bucket.open("x", patience_seconds=0.5)
    bucket.server.stop()
    try:
        with pytest.raises(StoreUnreachable, match=rf"s3://{bucket.name}/x/a at http.* connection refused"):
            store.read_range(StoredObject("a", 1, ""), 0, 1)
    finally:
        bucket.server.start()
