"""The output folder: may it be written, and how fast."""

import time

from posefleet_trainer.preflight.findings import StoreFinding
from posefleet_trainer.store.base import Store
from posefleet_trainer.store.probe import probe_object

_BYTES = 2**20


def probe_store(output: Store) -> StoreFinding:
    """Put an object of 1 MiB, read its second half, delete it.

    Raises:
        InvalidInput: the folder cannot be written; names it and the remedy.
        StoreUnreachable: the store did not answer.
    """
    began = time.perf_counter()
    with probe_object(output, bytes(_BYTES)) as key:
        written = time.perf_counter()
        stored = output.find(key)
        found = time.perf_counter()
        if stored is not None:
            output.read_range(stored, _BYTES // 2, _BYTES // 2)
        read = time.perf_counter()
    return StoreFinding(
        latency_seconds=found - written,
        write_bytes_per_second=_BYTES / (written - began),
        read_bytes_per_second=_BYTES / 2 / max(1e-9, read - found),
    )
