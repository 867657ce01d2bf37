"""Downloads in parallel ranges."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from posefleet_trainer.store.files import growing_file

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
