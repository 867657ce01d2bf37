"""Asking rank 0 of every running attempt how far it is."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from pydantic import ValidationError

from posefleet_api.constants import TRAINER_PORT
from posefleet_api.outcomes import ProgressReport
from posefleet_operator.cluster.objects import Key

logger = logging.getLogger(__name__)
_ANSWER_SECONDS = 3.0
_MAX_ANSWER_BYTES = 65_536
_AT_ONCE = 64
#: So many jobs are asked a second at most; a larger fleet is asked less often.
_JOBS_PER_SECOND = 100.0


@dataclass
class Target:
    """Whom to ask for a job, and what it answered last."""

    attempt: int
    address: str
    since: datetime
    report: ProgressReport | None = None
    #: When a report was first heard that says that the work had got on, by the operator's clock.
    advanced_at: datetime | None = None


class ProgressPoller:
    """Keeps the newest report of every job that runs."""

    def __init__(self, wake: Callable[[Key], None], clock: Callable[[], datetime], interval_seconds: float) -> None:
        self._wake = wake
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._targets: dict[Key, Target] = {}

    def watch(self, key: Key, attempt: int, address: str) -> None:
        """Ask for this attempt from now on; the address is that of its rank 0, empty while that does not run.

        What it said stays known then, but its address is not asked any more: it may be another pod's by now.
        """
        held = self._targets.get(key)
        if held is not None and held.attempt == attempt:
            held.address = address
        elif address:
            self._targets[key] = Target(attempt, address, self._clock())

    def forget(self, key: Key) -> None:
        """Ask no more for a job."""
        self._targets.pop(key, None)

    def target(self, key: Key) -> Target | None:
        """What is known of a job."""
        return self._targets.get(key)

    async def run(self) -> None:
        """Ask for ever."""
        limit = asyncio.Semaphore(_AT_ONCE)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS)) as session:
            while True:
                targets = list(self._targets.items())
                await asyncio.gather(*(self._poll(session, limit, key, target) for key, target in targets))
                await asyncio.sleep(max(self._interval_seconds, len(targets) / _JOBS_PER_SECOND))

    async def _poll(self, session: aiohttp.ClientSession, limit: asyncio.Semaphore, key: Key, target: Target) -> None:
        async with limit:
            report = await fetch_report(session, target.address) if target.address else None
        if report is None or report.attempt != target.attempt or report == target.report:
            return
        if target.report is None or report.last_step_time != target.report.last_step_time:
            target.advanced_at = self._clock()
        target.report = report
        self._wake(key)


async def fetch_report(session: aiohttp.ClientSession, address: str) -> ProgressReport | None:
    """What the trainer at an address says; None if it says nothing that can be read."""
    host = f"[{address}]" if ":" in address else address
    try:
        # Whoever has taken a trainer over must not send the operator anywhere else.
        async with session.get(f"http://{host}:{TRAINER_PORT}/progress", allow_redirects=False) as answer:
            return ProgressReport.read(await _body(answer)) if answer.status == 200 else None
    except (aiohttp.ClientError, OSError, TimeoutError, ValidationError) as error:
        logger.debug("no progress from %s: %r", address, error)
        return None


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """All of an answer; of one that is too long no more than shows that it is."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES:
            break
    return bytes(body)
