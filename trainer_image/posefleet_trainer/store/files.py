"""Files that appear whole or not at all."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_CHUNK_BYTES = 4 * 2**20


def part_of(target: Path) -> Path:
    """Where ``target`` grows until it is whole."""
    return target.with_name(f"{target.name}.part")


@contextmanager
def growing_file(target: Path, size_bytes: int) -> Iterator[int]:
    """A descriptor of ``NAME.part``, which becomes ``target`` if the block ends well and the size is right.

    Raises:
        OSError: the size is wrong, or the disk failed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.ftruncate(descriptor, size_bytes)
        yield descriptor
        if os.fstat(descriptor).st_size != size_bytes:
            raise OSError(f"{part} has {os.fstat(descriptor).st_size} bytes, not {size_bytes}")
        os.fsync(descriptor)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """The file's sha256 as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


class FileLock:
    """A lock on a file of its own, shared by readers or held by one writer; the kernel frees it with the process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def share(self) -> None:
        """Wait for the writer, if any, to finish."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def hold(self) -> None:
        """Wait until nobody else has the lock."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def try_hold(self) -> bool:
        """Hold the lock if nobody else has it now."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Let go for good."""
        os.close(self._descriptor)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock at ``path`` for the block."""
    lock = FileLock(path)
    try:
        lock.hold()
        yield
    finally:
        lock.close()


RANGE_BYTES = 16 * 2**20
PARALLEL_RANGES = 8

ReadRange = Callable[[int, int], bytes]


def ranges_of(size_bytes: int, range_bytes: int = RANGE_BYTES) -> Iterator[tuple[int, int]]:
    """(offset, length) pairs that cover ``size_bytes`` without overlap."""
    for offset in range(0, size_bytes, range_bytes):
        yield offset, min(range_bytes, size_bytes - offset)


def download_ranges(read: ReadRange, size_bytes: int, target: Path) -> None:
    """Fill ``target`` from ``read(offset, length)``, several ranges at a time; the first failure ends it."""
    with growing_file(target, size_bytes) as descriptor:

        def fetch(offset: int, length: int) -> None:
            write_fully(descriptor, read(offset, length), offset)

        with ThreadPoolExecutor(PARALLEL_RANGES, thread_name_prefix="range") as pool:
            pending = [pool.submit(fetch, offset, length) for offset, length in ranges_of(size_bytes)]
            try:
                for done in as_completed(pending):
                    done.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def write_fully(descriptor: int, content: bytes, offset: int) -> None:
    """``pwrite`` until all is written."""
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


@contextmanager
def scratch_folder(cache_directory: Path) -> Iterator[Path]:
    """A folder of the caller's own: several jobs may share a cache directory. It is gone afterwards."""
    parent = cache_directory / "scratch"
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent) as folder:
        yield Path(folder)
