"""A container's memory and its limit."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from .launcher.descendants import descendants

_POLL_SECONDS = 0.25
_COUNTED = ("RssAnon:", "RssShmem:")
_COUNTED_EXACTLY = ("Pss_Anon:", "Pss_Shmem:")


async def until_over_limit(launcher_pid: int, limit_bytes: int) -> None:
    """Return when the container's processes together hold more memory than its limit.

    A limit on address space would stop programs that only reserve memory, as CUDA and PyTorch do.
    """
    while True:
        pids = descendants(launcher_pid)
        if memory_bytes(pids) > limit_bytes and exact_memory_bytes(pids) > limit_bytes:
            return
        await asyncio.sleep(_POLL_SECONDS)


def memory_bytes(pids: Iterable[int]) -> int:
    """Return the private and shared memory of processes; what they share counts for each, so it is a bound."""
    return sum(_sum_of(Path(f"/proc/{pid}/status"), _COUNTED) for pid in pids)


def exact_memory_bytes(pids: Iterable[int]) -> int:
    """Return the same with shared pages counted once; slower."""
    return sum(_sum_of(Path(f"/proc/{pid}/smaps_rollup"), _COUNTED_EXACTLY) for pid in pids)


def _sum_of(file: Path, fields: tuple[str, ...]) -> int:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0  # it ended, or is not ours to look at
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(fields))
