"""The space of the cache: which files are evicted for others, and how much is in use."""

import contextlib
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.cache import CacheFull, NodeCache
from posefleet_trainer.telemetry.metrics import CACHE_BYTES
from unit.trainer.store.cache.counting_store import CountingStore, bytes_in, counted, fail_to_fetch, fetch, use_in_order


def test_longest_unused_file_makes_room(cache: NodeCache, store: CountingStore):
    use_in_order(cache, store, "a.bin", "b.bin", "a.bin", "c.bin")
    store.downloads.clear()
    use_in_order(cache, store, "a.bin", "b.bin")
    assert store.downloads == ["b.bin"]


def test_using_a_file_again_postpones_its_eviction(cache: NodeCache, store: CountingStore):
    use_in_order(cache, store, "a.bin", "b.bin")
    cache.release(fetch(cache, store, "a.bin"))
    cache.release(fetch(cache, store, "c.bin"))
    store.downloads.clear()
    cache.release(fetch(cache, store, "a.bin"))
    assert store.downloads == []


@pytest.mark.parametrize("order", ["abcdef", "fedcba", "cafebd"])
def test_files_are_evicted_in_the_order_of_their_last_use(store: CountingStore, tmp_path: Path, order: str):
    cache = NodeCache(tmp_path / "cache", 600)
    paths = {}
    for name in "abcdef":
        store.write(f"{name}.bin", name.encode() * 100)
        paths[name] = fetch(cache, store, f"{name}.bin")
        cache.release(paths[name])
    for second, name in enumerate(order):
        os.utime(paths[name], (second, second))
    evicted = []
    for number in range(len(order) - 1):
        store.write(f"new{number}.bin", bytes([number]) * 100)
        cache.release(fetch(cache, store, f"new{number}.bin"))
        evicted += [name for name in order if not paths[name].exists() and name not in evicted]
        # One file makes room for another of its size, so no more than one is evicted.
        assert evicted == list(order[: number + 1])


def test_a_released_file_may_be_evicted_and_one_fetched_twice_is_in_use_until_both_are_released(
    cache: NodeCache, store: CountingStore
):
    path = fetch(cache, store, "a.bin")
    fetch(cache, store, "a.bin")
    fetch(cache, store, "b.bin")
    cache.release(path)
    with pytest.raises(CacheFull):
        fetch(cache, store, "c.bin")
    cache.release(path)
    assert fetch(cache, store, "c.bin").read_bytes() == b"c" * 100
    assert not path.exists()


@pytest.mark.parametrize("error", [None, ValueError("damaged")])
def test_a_file_is_in_use_until_its_block_ends(cache: NodeCache, store: CountingStore, error: ValueError | None):
    fetch(cache, store, "a.bin")
    digest = hashlib.sha256(b"b" * 100).hexdigest()
    with contextlib.suppress(ValueError), cache.using(store, "b.bin", 100, digest) as path:
        assert path.read_bytes() == b"b" * 100
        with pytest.raises(CacheFull):
            fetch(cache, store, "c.bin")
        if error:
            raise error
    assert fetch(cache, store, "c.bin").read_bytes() == b"c" * 100
    assert not path.exists()


def test_file_in_use_is_never_evicted(cache: NodeCache, store: CountingStore, tmp_path: Path):
    held = fetch(cache, store, "a.bin")
    os.utime(held, (0, 0))
    other_process = NodeCache(tmp_path / "cache", 250)
    use_in_order(other_process, store, "b.bin", "c.bin", "d.bin")
    assert held.read_bytes() == b"a" * 100


def test_closing_gives_all_space_back(cache: NodeCache, store: CountingStore):
    fetch(cache, store, "a.bin")
    fetch(cache, store, "b.bin")
    cache.close()
    assert fetch(cache, store, "c.bin").read_bytes() == b"c" * 100


def test_closing_ends_every_use_of_a_file_that_was_fetched_twice(cache: NodeCache, store: CountingStore):
    for key in ("a.bin", "a.bin", "b.bin"):
        fetch(cache, store, key)
    cache.close()
    fetch(cache, store, "c.bin")
    fetch(cache, store, "d.bin")
    with pytest.raises(CacheFull):
        fetch(cache, store, "a.bin")


def test_releasing_more_often_than_fetching_does_nothing(cache: NodeCache, store: CountingStore, tmp_path: Path):
    path = fetch(cache, store, "a.bin")
    cache.release(path)
    cache.release(path)
    cache.release(tmp_path / "never fetched")
    cache.close()
    cache.release(path)
    assert path.exists()


def test_files_that_are_all_in_use_are_explained(cache: NodeCache, store: CountingStore):
    fetch(cache, store, "a.bin")
    fetch(cache, store, "b.bin")
    with pytest.raises(InvalidInput, match=r"200 bytes in use .* raise resources.cachePerNode"):
        fetch(cache, store, "c.bin")


def test_file_larger_than_the_cache_is_refused_before_anything_is_evicted(cache: NodeCache, store: CountingStore):
    use_in_order(cache, store, "a.bin")
    store.write("big.bin", bytes(251))
    with pytest.raises(InvalidInput, match=r"big.bin has 251 bytes.* raise resources.cachePerNode"):
        fetch(cache, store, "big.bin")
    store.downloads.clear()
    use_in_order(cache, store, "a.bin")
    assert store.downloads == []


def test_file_as_large_as_the_cache_fits(cache: NodeCache, store: CountingStore):
    use_in_order(cache, store, "a.bin")
    store.write("big.bin", bytes(250))
    assert fetch(cache, store, "big.bin").stat().st_size == 250


def test_a_file_that_just_fits_evicts_nothing(store: CountingStore, tmp_path: Path):
    cache = NodeCache(tmp_path / "cache", 200)
    use_in_order(cache, store, "a.bin", "b.bin")
    assert bytes_in(tmp_path / "cache" / "files") == 200
    store.write("empty.bin", b"")
    fetch(cache, store, "empty.bin")
    assert bytes_in(tmp_path / "cache" / "files") == 200
    fetch(cache, store, "a.bin")
    fetch(cache, store, "b.bin")
    assert store.downloads == ["a.bin", "b.bin", "empty.bin"]


def test_an_empty_file_takes_no_space(store: CountingStore, tmp_path: Path):
    cache = NodeCache(tmp_path / "cache", 200)
    store.write("empty.bin", b"")
    for key in ("empty.bin", "a.bin", "b.bin"):
        fetch(cache, store, key)
    assert counted(CACHE_BYTES) == 200


def test_space_is_reserved_before_a_download_begins(cache: NodeCache, store: CountingStore, tmp_path: Path):
    reserved: list[int] = []
    store.meanwhile = lambda: reserved.append(bytes_in(tmp_path / "cache" / "files"))
    fetch(cache, store, "a.bin")
    assert reserved == [100]


def test_downloads_that_run_together_do_not_take_more_than_there_is(
    cache: NodeCache, store: CountingStore, tmp_path: Path
):
    sizes: list[int] = []
    refusals: list[str] = []
    store.meanwhile = lambda: sizes.append(bytes_in(tmp_path / "cache" / "files"))

    def use(number: int) -> None:
        try:
            cache.release(fetch(cache, store, f"{'abcd'[number % 4]}.bin"))
        except InvalidInput as error:
            refusals.append(str(error))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(80)))
    assert max(sizes) <= 250
    assert all("in use" in refusal for refusal in refusals)


def test_the_space_of_a_failed_download_is_given_to_other_files(cache: NodeCache, store: CountingStore):
    fail_to_fetch(cache, store, "a.bin")
    fetch(cache, store, "b.bin")
    fetch(cache, store, "c.bin")
    assert counted(CACHE_BYTES) == 200


@pytest.mark.parametrize("suffix", [".new", ".new.part"])
def test_what_a_killed_process_left_takes_no_space_from_its_own_file(
    cache: NodeCache, store: CountingStore, suffix: str
):
    path = fetch(cache, store, "a.bin")
    cache.release(path)
    path.unlink()
    path.with_name(f"{path.name}{suffix}").write_bytes(bytes(240))
    assert fetch(cache, store, "a.bin").read_bytes() == b"a" * 100
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_file_under_two_names_counts_once(cache: NodeCache, store: CountingStore):
    path = fetch(cache, store, "a.bin")
    path.with_name(f"{path.name}.new.part").write_bytes(bytes(90))
    fetch(cache, store, "b.bin")
    assert counted(CACHE_BYTES) == 200


@pytest.mark.parametrize(("final", "temporary"), [(5, 0), (0, 5)])
def test_the_later_use_of_a_file_under_two_names_counts_and_both_are_evicted(
    cache: NodeCache, store: CountingStore, final: int, temporary: int
):
    path, other = fetch(cache, store, "a.bin"), fetch(cache, store, "b.bin")
    part = path.with_name(f"{path.name}.new.part")
    part.write_bytes(b"")
    os.utime(path, (final, final))
    os.utime(part, (temporary, temporary))
    os.utime(other, (3, 3))
    cache.close()
    cache.release(fetch(cache, store, "c.bin"))
    assert (path.exists(), part.exists(), other.exists()) == (True, True, False)
    fetch(cache, store, "d.bin")
    assert (path.exists(), part.exists()) == (False, False)


def test_a_file_that_is_removed_while_it_is_evicted_is_not_missed(
    cache: NodeCache, store: CountingStore, monkeypatch: pytest.MonkeyPatch
):
    use_in_order(cache, store, "a.bin", "b.bin")
    found = Path.glob

    def removing(folder: Path, pattern: str) -> list[Path]:
        paths = list(found(folder, pattern))
        for path in paths:
            path.unlink()
        return paths

    monkeypatch.setattr(Path, "glob", removing)
    assert fetch(cache, store, "c.bin").read_bytes() == b"c" * 100
    assert counted(CACHE_BYTES) == 200


def test_files_are_listed_again_when_one_is_renamed_meanwhile(
    cache: NodeCache, store: CountingStore, monkeypatch: pytest.MonkeyPatch
):
    fetch(cache, store, "a.bin")
    listed = Path.iterdir
    gone = iter(["0.bin"])
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([*listed(folder), *(folder / name for name in gone)]))
    fetch(cache, store, "b.bin")
    assert counted(CACHE_BYTES) == 200
