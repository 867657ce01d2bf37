"""Importing what trains: seconds of work for one CPU, done while the data are on their way."""

import gc
import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


def import_torch() -> None:
    """What joining the other ranks needs."""
    with _garbage_kept():
        importlib.import_module("torch.distributed")


@contextmanager
def imported_meanwhile(module: str) -> Iterator[None]:
    """Import ``module`` in a thread while the block runs; afterwards it is there."""
    with _garbage_kept(), ThreadPoolExecutor(1, thread_name_prefix="import") as pool:
        importing = pool.submit(importlib.import_module, module)
        yield
        importing.result()


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Collect no garbage in the block, which imports: what modules define lives as long as the process.

    Looking through it again and again is a twelfth of the work, and later a pause in each full collection, so it is set
    apart for good.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
