"""Imports of the libraries that train: seconds of CPU time, spent while the data are being downloaded."""

import gc
import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


def import_torch() -> None:
    """Import ``torch.distributed``, which is all that a rank needs to join the others."""
    with _garbage_collection_paused():
        importlib.import_module("torch.distributed")


@contextmanager
def import_in_background(module: str) -> Iterator[None]:
    """Import ``module`` in a thread while the block runs, and wait for the import at the end of the block.

    Raises:
        ImportError: at the end of the block, if the module cannot be imported.
    """
    with _garbage_collection_paused(), ThreadPoolExecutor(1, thread_name_prefix="import") as pool:
        importing = pool.submit(importlib.import_module, module)
        yield
        importing.result()


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Pause garbage collection while modules are imported, and exempt what they define from later collections.

    Objects that modules define live as long as the process. Visiting them repeatedly takes a twelfth of the time of
    the imports, and lengthens every full collection afterwards.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
