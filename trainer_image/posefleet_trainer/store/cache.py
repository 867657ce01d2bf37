"""The cache of a node: one verified copy of each file of the store on its disk, for all its ranks."""

import hashlib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store, StoredObject
from posefleet_trainer.store.files import FileLock, held, part_of, sha256_of
from posefleet_trainer.telemetry.metrics import CACHE_BYTES, CACHE_HITS, CACHE_MISSES

_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Copies of one object that are downloaded at most, each damaged in another way.
_MAX_DOWNLOADS = 6
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


class CacheFull(InvalidInput):
    """A file fits into the cache, but not next to the files in use now. It may fit once some are released."""


@dataclass
class Entry:
    """One file in the cache, complete or being downloaded."""

    lock: Path
    size_bytes: int = 0
    last_use: float = 0.0


class NodeCache:
    """A content-addressed folder that evicts the least recently used files to make room for new ones.

    Several processes and threads may use one directory. Each file has two locks. One is held while the file is
    downloaded, so that one process downloads it and the others wait. The other is shared from ``fetch`` to ``release``
    (or to the end of the process), so that nobody evicts a file that is in use.

    Args:
        directory: on this node's disk.
        max_bytes: the most that the files in it may take together.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._files = directory / "files"
        self._locks = directory / "locks"
        self._max_bytes = max_bytes
        self._pins: dict[Path, list[FileLock]] = {}
        self._pins_lock = threading.Lock()
        self._files.mkdir(parents=True, exist_ok=True)

    def fetch(self, store: Store, key: str, size_bytes: int, sha256_or_etag: str) -> Path:
        """Return the local copy of an object, downloaded and verified if necessary, and kept until ``release``.

        Args:
            store: where the object is.
            key: of the object in the store.
            size_bytes: of the object.
            sha256_or_etag: the content's sha256 as 64 hexadecimal digits, or else the store's tag of the object.

        Raises:
            InvalidInput: the object is missing, changed or damaged, or the cache is too small for it.
            CacheFull: there is no room for the object while the other files are in use.
            StoreUnreachable: the store did not answer.
        """
        path = self._files / _name(store.uri, key, size_bytes, sha256_or_etag)
        lock = FileLock(self._use_lock(path))
        try:
            lock.share()
            self._ensure(path, store, StoredObject(key, size_bytes, sha256_or_etag))
        except BaseException:
            lock.close()
            raise
        with self._pins_lock:
            self._pins.setdefault(path, []).append(lock)
        os.utime(path)
        return path

    @contextmanager
    def using(self, store: Store, key: str, size_bytes: int, sha256_or_etag: str) -> Iterator[Path]:
        """Fetch an object, and release it after the ``with`` block. Arguments and errors are those of ``fetch``."""
        path = self.fetch(store, key, size_bytes, sha256_or_etag)
        try:
            yield path
        finally:
            self.release(path)

    def release(self, path: Path) -> None:
        """End one use of ``path``, which ``fetch`` began. A file without uses may be evicted."""
        with self._pins_lock:
            locks = self._pins.get(path, [])
            if locks:
                locks.pop().close()

    def close(self) -> None:
        """End all uses of files by this object, so that the next stage can use the space."""
        with self._pins_lock:
            for locks in self._pins.values():
                while locks:
                    locks.pop().close()

    def _ensure(self, path: Path, store: Store, wanted: StoredObject) -> None:
        """Download ``path`` unless it exists, or wait for the process that does; the caller's lock keeps it."""
        if path.exists():
            CACHE_HITS.inc()
            return
        with held(self._locks / f"{_digest_in(path)}.download"):
            if path.exists():
                CACHE_HITS.inc()
                return
            CACHE_MISSES.inc()
            self._download(store, wanted, path)

    def _download(self, store: Store, wanted: StoredObject, path: Path) -> None:
        fresh = path.with_name(f"{path.name}.new")
        for stale in (fresh, part_of(fresh)):
            stale.unlink(missing_ok=True)
        self._reserve(wanted, f"{store.uri}{wanted.key}", part_of(fresh))
        if not _SHA256.fullmatch(wanted.etag):
            store.download(wanted, fresh)
        else:
            _download_verified(store, wanted, fresh)
        fresh.replace(path)

    def _reserve(self, wanted: StoredObject, uri: str, part: Path) -> None:
        """Evict files until ``wanted`` fits, and reserve its space by a sparse file of its size."""
        if wanted.size_bytes > self._max_bytes:
            raise InvalidInput(
                f"{uri} has {wanted.size_bytes:,} bytes, more than the cache of a node may hold "
                f"({self._max_bytes:,}); raise resources.cachePerNode"
            )
        with held(self._locks / "eviction.lock"):
            used = self._evict_until(self._max_bytes - wanted.size_bytes)
            if used + wanted.size_bytes > self._max_bytes:
                raise CacheFull(
                    f"{uri} ({wanted.size_bytes:,} bytes) does not fit beside the {used:,} bytes in use in the "
                    f"cache of this node ({self._max_bytes:,}); raise resources.cachePerNode"
                )
            with part.open("wb") as file:
                file.truncate(wanted.size_bytes)
            CACHE_BYTES.set(used + wanted.size_bytes)

    def _evict_until(self, limit: int) -> int:
        """Evict unused files, the least recently used first, down to ``limit`` bytes; return the bytes that remain."""
        entries = sorted(self._entries().values(), key=lambda entry: entry.last_use)
        used = sum(entry.size_bytes for entry in entries)
        for entry in entries:
            if used <= limit:
                break
            if self._evict(entry):
                used -= entry.size_bytes
        return used

    def _entries(self) -> dict[Path, Entry]:
        """Return the files in the cache by their locks."""
        while True:
            try:
                return self._scan()
            except FileNotFoundError:
                # A file was renamed to its final name meanwhile; without it, its space would be given away twice.
                continue

    def _scan(self) -> dict[Path, Entry]:
        entries: dict[Path, Entry] = {}
        for path in self._files.iterdir():
            status = path.stat()
            lock = self._use_lock(path)
            entry = entries.setdefault(lock, Entry(lock))
            # A file that is seen under its temporary and its final name counts once.
            entry.size_bytes = max(entry.size_bytes, status.st_size)
            entry.last_use = max(entry.last_use, status.st_mtime)
        return entries

    def _evict(self, entry: Entry) -> bool:
        lock = FileLock(entry.lock)
        try:
            if not lock.try_hold():
                return False
            # A download that was seen in progress may have become the file by now.
            for path in self._files.glob(f"{entry.lock.stem}*"):
                path.unlink(missing_ok=True)
            return True
        finally:
            lock.close()

    def _use_lock(self, path: Path) -> Path:
        return self._locks / f"{_digest_in(path)}.use"


def _digest_in(path: Path) -> str:
    return path.name.partition(".")[0]


def _name(uri: str, key: str, size_bytes: int, sha256_or_etag: str) -> str:
    """Return a file name that changes with the content, and that keeps the key's suffix for libraries that read it."""
    if _SHA256.fullmatch(sha256_or_etag):
        digest = sha256_or_etag
    else:
        digest = hashlib.sha256("\0".join((uri, key, str(size_bytes), sha256_or_etag)).encode()).hexdigest()
    suffix = PurePosixPath(key).suffix
    return digest + (suffix if _SUFFIX.fullmatch(suffix) else "")


def _download_verified(store: Store, wanted: StoredObject, target: Path) -> None:
    """Download an object whose sha256 is ``wanted.etag``, and again if the copy is damaged.

    Two copies with the same damage are those of a damaged object, and are not downloaded a third time.

    Raises:
        InvalidInput: the object is missing, has another size, or is damaged.
    """
    uri = f"{store.uri}{wanted.key}"
    damaged: set[str] = set()
    for _ in range(_MAX_DOWNLOADS):
        found = store.find(wanted.key)
        if found is None or found.size_bytes != wanted.size_bytes:
            break
        store.download(found, target)
        digest = sha256_of(target)
        if digest == wanted.etag:
            return
        if digest in damaged:
            break
        damaged.add(digest)
    raise InvalidInput(f"{uri} is missing or damaged; delete it and apply the job again to create it again")
