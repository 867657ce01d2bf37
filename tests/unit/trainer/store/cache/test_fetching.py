"""What the cache of a node returns: which file, when it is downloaded, and what is refused."""

import contextlib
import hashlib
import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import StoredObject
from posefleet_trainer.store.cache import CacheFull, NodeCache
from posefleet_trainer.telemetry.metrics import CACHE_BYTES, CACHE_HITS, CACHE_MISSES
from unit.trainer.store.cache.counting_store import CountingStore, counted, fail_to_fetch, fetch, use_in_order


def test_second_fetch_downloads_nothing(cache: NodeCache, store: CountingStore):
    first = fetch(cache, store, "a.bin")
    assert fetch(cache, store, "a.bin") == first
    assert first.read_bytes() == b"a" * 100
    assert first.suffix == ".bin"
    assert store.downloads == ["a.bin"]


def test_changed_object_is_another_file(cache: NodeCache, store: CountingStore):
    first = fetch(cache, store, "a.bin")
    store.write("a.bin", b"new")
    assert fetch(cache, store, "a.bin").read_bytes() == b"new"
    assert first.read_bytes() == b"a" * 100


def test_same_content_under_two_keys_is_one_file(cache: NodeCache, store: CountingStore):
    store.write("copy.bin", b"a" * 100)
    digest = hashlib.sha256(b"a" * 100).hexdigest()
    assert cache.fetch(store, "a.bin", 100, digest) == cache.fetch(store, "copy.bin", 100, digest)
    assert store.downloads == ["a.bin"]


def test_wrong_content_is_refused_after_a_second_try(cache: NodeCache, store: CountingStore):
    with pytest.raises(InvalidInput, match=r"a.bin is missing or damaged; delete it"):
        cache.fetch(store, "a.bin", 100, "0" * 64)
    assert store.downloads == ["a.bin", "a.bin"]


def test_hits_misses_and_bytes_are_counted(cache: NodeCache, store: CountingStore):
    hits, misses = counted(CACHE_HITS), counted(CACHE_MISSES)
    fetch(cache, store, "a.bin")
    assert (counted(CACHE_HITS) - hits, counted(CACHE_MISSES) - misses) == (0, 1)
    fetch(cache, store, "a.bin")
    fetch(cache, store, "b.bin")
    assert (counted(CACHE_HITS) - hits, counted(CACHE_MISSES) - misses) == (1, 2)
    assert counted(CACHE_BYTES) == 200


def test_a_copy_that_was_damaged_on_the_way_is_fetched_once_more(cache: NodeCache, store: CountingStore):
    digest = hashlib.sha256(b"a" * 100).hexdigest()
    damaged = iter([b"x" * 100, b"a" * 100])
    store.meanwhile = lambda: store.write("a.bin", next(damaged))
    found = store.find

    def unchanged(key: str) -> StoredObject | None:
        now = found(key)
        return None if now is None else StoredObject(key, now.size_bytes, "")

    store.find = unchanged  # type: ignore[method-assign]
    assert cache.fetch(store, "a.bin", 100, digest).read_bytes() == b"a" * 100
    assert len(store.downloads) == 2


def test_copies_that_are_damaged_in_different_ways_are_fetched_until_one_is_right(
    cache: NodeCache, store: CountingStore
):
    digest = hashlib.sha256(b"a" * 100).hexdigest()
    copies = iter([b"x" * 100, b"y" * 100, b"z" * 100, b"a" * 100])
    store.meanwhile = lambda: store.write("a.bin", next(copies))
    found = store.find
    store.find = lambda key: StoredObject(key, 100, "") if found(key) else None  # type: ignore[method-assign]
    assert cache.fetch(store, "a.bin", 100, digest).read_bytes() == b"a" * 100
    assert len(store.downloads) == 4


def test_copies_that_are_damaged_in_ever_new_ways_are_given_up(cache: NodeCache, store: CountingStore):
    copies = (bytes([number]) * 100 for number in range(100))
    store.meanwhile = lambda: store.write("a.bin", next(copies))
    found = store.find
    store.find = lambda key: StoredObject(key, 100, "") if found(key) else None  # type: ignore[method-assign]
    with pytest.raises(InvalidInput, match=r"a.bin is missing or damaged"):
        cache.fetch(store, "a.bin", 100, "0" * 64)
    assert len(store.downloads) == 6


def test_an_object_of_another_size_than_expected_is_not_downloaded(cache: NodeCache, store: CountingStore):
    with pytest.raises(InvalidInput, match=r"a.bin is missing or damaged"):
        cache.fetch(store, "a.bin", 99, hashlib.sha256(b"a" * 100).hexdigest())
    with pytest.raises(InvalidInput, match=r"nothing.bin is missing or damaged"):
        cache.fetch(store, "nothing.bin", 99, "0" * 64)
    assert store.downloads == []


def test_threads_that_want_the_same_file_share_one_download(cache: NodeCache, store: CountingStore):
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: fetch(cache, store, "a.bin"), range(40)))
    assert len(paths) == 1
    assert store.downloads == ["a.bin"]


def test_failed_download_frees_its_place_and_the_next_one_succeeds(cache: NodeCache, store: CountingStore):
    fail_to_fetch(cache, store, "a.bin")
    assert fetch(cache, store, "a.bin").read_bytes() == b"a" * 100


def _fetch_in_process(directory: Path, root: Path, results: "multiprocessing.Queue[tuple[str, int]]") -> None:
    store = CountingStore(root)
    path = fetch(NodeCache(directory, 250), store, "a.bin")
    results.put((str(path), len(store.downloads)))


def test_processes_of_one_node_share_one_download(store: CountingStore, tmp_path: Path):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    arguments = (tmp_path / "cache", tmp_path / "store", results)
    processes = [context.Process(target=_fetch_in_process, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    found = [results.get(timeout=30) for _ in processes]
    for process in processes:
        process.join(30)
    assert len({path for path, _ in found}) == 1
    assert sum(downloads for _, downloads in found) == 1


def test_part_that_a_killed_process_left_is_replaced(cache: NodeCache, store: CountingStore):
    use_in_order(cache, store, "a.bin")
    path = fetch(cache, store, "a.bin")
    cache.release(path)
    path.rename(path.with_name(f"{path.name}.new.part"))
    assert fetch(cache, store, "a.bin").read_bytes() == b"a" * 100
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_ranks_that_keep_a_file_do_not_stop_others_from_getting_it(cache: NodeCache, store: CountingStore):
    together = threading.Barrier(6)

    def use(_: int) -> Path:
        together.wait(20)
        return fetch(cache, store, "a.bin")

    with ThreadPoolExecutor(6) as pool:
        assert len({future.result(20) for future in [pool.submit(use, n) for n in range(6)]}) == 1


def test_waiting_reader_gets_the_file_that_another_thread_downloads(cache: NodeCache, store: CountingStore):
    started, go = threading.Event(), threading.Event()

    def meanwhile() -> None:
        started.set()
        assert go.wait(20)

    store.meanwhile = meanwhile
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fetch, cache, store, "a.bin")
        assert started.wait(20)
        second = pool.submit(fetch, cache, store, "a.bin")
        go.set()
        assert first.result(20) == second.result(20)
    assert store.downloads == ["a.bin"]


def test_the_folder_of_the_cache_is_made_with_its_parents(tmp_path: Path, store: CountingStore):
    fetch(NodeCache(tmp_path / "node" / "cache", 250), store, "a.bin")
    assert sorted(entry.name for entry in (tmp_path / "node" / "cache").iterdir()) == ["files", "locks"]


def test_versions_of_the_trainer_on_one_node_agree_on_the_names_of_files_and_locks(
    cache: NodeCache, store: CountingStore, tmp_path: Path
):
    digest = "2816597888e4a0d3a36b82b83316ab32680eb8f00f8cd3b904d681246d285a0e"  # sha256 of 100 times "a"
    assert cache.fetch(store, "a.bin", 100, digest).name == f"{digest}.bin"
    assert {entry.name for entry in (tmp_path / "cache" / "locks").iterdir()} == {
        f"{digest}.use",
        f"{digest}.download",
        "eviction.lock",
    }


def test_the_name_of_a_file_follows_from_its_uri_size_and_tag(cache: NodeCache, store: CountingStore):
    store.uri = "s3://lab/mouse/"
    store.download = lambda stored, target: target.write_bytes(bytes(100))  # type: ignore[method-assign]
    path = cache.fetch(store, "videos/one.mp4", 100, "an-etag")
    assert path.name == "37d90d77676440afcc3fbabce7faac3de6c211be587ead0db520fd1c0ebe4f15.mp4"
    others = [("videos/two.mp4", 100, "an-etag"), ("videos/one.mp4", 101, "an-etag"), ("videos/one.mp4", 100, "b")]
    names = {path.name}
    for key, size_bytes, etag in others:
        cache.close()
        names.add(cache.fetch(store, key, size_bytes, etag).name)
    assert len(names) == 4


@pytest.mark.parametrize(
    ("key", "suffix"),
    [("a.tar.gz", ".gz"), ("a.abcd5678", ".abcd5678"), ("a.abcd56789", ""), ("a.m_4", ""), ("folder.x/a", "")],
)
def test_short_plain_suffixes_are_kept(cache: NodeCache, store: CountingStore, key: str, suffix: str):
    store.write(key, b"content")
    assert fetch(cache, store, key).name[64:] == suffix


def test_a_file_that_another_process_finished_meanwhile_is_a_hit(
    cache: NodeCache, store: CountingStore, monkeypatch: pytest.MonkeyPatch
):
    path = fetch(cache, store, "a.bin")
    path.unlink()

    @contextlib.contextmanager
    def after_another(_: Path) -> Iterator[None]:
        path.write_bytes(b"a" * 100)
        yield

    monkeypatch.setattr("posefleet_trainer.store.cache.held", after_another)
    hits, misses = counted(CACHE_HITS), counted(CACHE_MISSES)
    assert fetch(cache, store, "a.bin") == path
    assert (counted(CACHE_HITS) - hits, counted(CACHE_MISSES) - misses) == (1, 0)


def test_refusals_name_the_object_by_its_uri(cache: NodeCache, store: CountingStore):
    store.write("big.bin", bytes(2000))
    with pytest.raises(InvalidInput, match=rf"^{store.uri}big.bin has 2,000 bytes.* \(250\)"):
        fetch(cache, store, "big.bin")
    with pytest.raises(InvalidInput, match=rf"^{store.uri}a.bin is missing or damaged"):
        cache.fetch(store, "a.bin", 100, "0" * 64)
    fetch(cache, store, "a.bin")
    fetch(cache, store, "b.bin")
    with pytest.raises(CacheFull, match=rf"^{store.uri}c.bin \(100 bytes\) does not fit beside the 200 bytes"):
        fetch(cache, store, "c.bin")


def test_a_file_that_is_there_is_found_without_the_lock_of_its_download(
    cache: NodeCache, store: CountingStore, tmp_path: Path
):
    path = fetch(cache, store, "a.bin")
    lock = tmp_path / "cache" / "locks" / f"{path.stem}.download"
    lock.unlink()
    assert fetch(cache, store, "a.bin") == path
    assert not lock.exists()
