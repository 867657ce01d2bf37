"""Local files: complete or absent, locked between processes, downloaded in parallel ranges, or temporary."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

RANGE_BYTES = 16 * 2**20
PARALLEL_RANGES = 8
_CHUNK_BYTES = 4 * 2**20

ReadRange = Callable[[int, int], bytes]
"""Returns the bytes of an object for an offset and a length."""


def part_of(target: Path) -> Path:
    """Return the path that ``target`` is written to until it is complete."""
    return target.with_name(f"{target.name}.part")


@contextmanager
def growing_file(target: Path, size_bytes: int) -> Iterator[int]:
    """Yield a descriptor of the file ``NAME.part``, which is renamed to ``target`` at the end of the block.

    After an error in the block the file is deleted instead.

    Raises:
        OSError: the file does not have ``size_bytes`` at the end, or the disk failed.
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
    """Return the file's sha256 as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


class FileLock:
    """A lock between processes and threads, shared by readers or held by one writer (flock(2)).

    The kernel releases it when the process ends.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def share(self) -> None:
        """Share the lock with other readers, once no writer holds it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def hold(self) -> None:
        """Hold the lock alone, once nobody else has it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def try_hold(self) -> bool:
        """Hold the lock alone if nobody else has it now, and return whether it is held."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Release the lock. The object cannot be used afterwards."""
        os.close(self._descriptor)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock at ``path`` alone for the duration of the block."""
    lock = FileLock(path)
    try:
        lock.hold()
        yield
    finally:
        lock.close()


def ranges_of(size_bytes: int, range_bytes: int = RANGE_BYTES) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) pairs, in bytes, that cover ``size_bytes`` without overlap."""
    for offset in range(0, size_bytes, range_bytes):
        yield offset, min(range_bytes, size_bytes - offset)


def download_ranges(read: ReadRange, size_bytes: int, target: Path) -> None:
    """Fill ``target`` from ``read(offset, length)``, several ranges at a time.

    The first exception of ``read`` cancels the other ranges and is raised; ``target`` does not appear then.
    """
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
    """Write all of ``content`` at ``offset``, by as many ``pwrite`` calls as that takes."""
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


@contextmanager
def scratch_folder(cache_directory: Path) -> Iterator[Path]:
    """Yield a new folder below the cache directory, which jobs may share, and delete it after the block."""
    parent = cache_directory / "scratch"
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent) as folder:
        yield Path(folder)
