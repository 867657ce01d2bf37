"""Conditions under which the node ends a pod: its deadline and the size limits of its emptyDirs."""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

from ...manifests import Manifest, now, timestamp, to_bytes
from ..sandbox.sandbox import PodSandbox

_SIZE_CHECK_SECONDS = 2.0


@dataclass(frozen=True)
class Eviction:
    """The reason for which the node ends a pod, with conditions to add to its status."""

    reason: str
    message: str
    conditions: list[Manifest] = field(default_factory=list)


async def until_deadline(pod: Manifest) -> Eviction:
    """Return when the pod's activeDeadlineSeconds are over, or never if it has no deadline."""
    seconds = pod["spec"].get("activeDeadlineSeconds")
    if seconds is None:
        await asyncio.Event().wait()
    await asyncio.sleep(float(seconds))
    return Eviction("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


async def until_over_size_limit(sandbox: PodSandbox) -> Eviction:
    """Return when an emptyDir exceeds its sizeLimit, or never if none has a limit."""
    limits = sandbox.volumes.size_limits()
    if not limits:
        await asyncio.Event().wait()
    while True:
        await asyncio.sleep(_SIZE_CHECK_SECONDS)
        for name, limit in limits.items():
            used = await asyncio.to_thread(used_bytes, sandbox.volumes.path(name))
            if used > to_bytes(limit):
                message = f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
                return Eviction("Evicted", message, [_disruption(message)])


def used_bytes(directory: Path) -> int:
    """Return the disk space used by all files below a directory, in bytes."""
    total = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            try:
                total += Path(folder, name).lstat().st_blocks * 512
            except OSError:
                continue  # the file was deleted meanwhile
    return total


def _disruption(message: str) -> Manifest:
    return {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "TerminationByKubelet",
        "message": message,
        "lastTransitionTime": timestamp(now()),
    }
