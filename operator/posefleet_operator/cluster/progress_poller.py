"""Polls rank 0 of every running attempt for its progress."""

import asyncio
from collections.abc import Callable

import aiohttp

from posefleet_api.outcomes import ProgressReport
from posefleet_operator.cluster.objects import Key
from posefleet_operator.cluster.polling import Polling, Target
from posefleet_operator.cluster.trainer_client import NoAnswer, fetch_report, request_checkpoint

_CONNECT_SECONDS, _ANSWER_SECONDS, _WHOLE_SECONDS = 3.0, 3.0, 10.0
_AT_ONCE = 64
#: So many polls begin at the same moment.
_TOGETHER = 4
#: At most this many jobs are polled in a second, so a larger fleet is polled less often.
_JOBS_PER_SECOND = 25.0
#: What the whole fleet did is computed at most this often.
_FLEET_SECONDS = 1.0


class ProgressPoller:
    """Keeps the newest progress report of every job that runs."""

    def __init__(self, enqueue: Callable[[Key], None], clock: Callable[[], float], interval_seconds: float) -> None:
        """``clock`` is monotonic."""
        self._enqueue = enqueue
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._targets: dict[Key, Target] = {}
        self._checkpoint_requests: dict[Key, str] = {}
        self._fleet: tuple[float, ...] = ()
        self._fleet_at = float("-inf")

    def __len__(self) -> int:
        """Return the number of attempts that are polled."""
        return len(self._targets)

    def set_target(self, key: Key, attempt: int, address: str) -> None:
        """Poll this attempt from now on.

        ``address`` is the address of its rank 0. It is empty while rank 0 does not run. The last report is kept then,
        but the former address is not polled any more, because another pod may have it by now.
        """
        held = self._targets.get(key)
        if held is not None and held.attempt == attempt:
            held.address = address
        elif address:
            self._targets[key] = Target(attempt, address, self._clock())

    def ask_for_checkpoint(self, key: Key, request: str) -> None:
        """Ask rank 0 of a job for a checkpoint with every poll, until it reports that it has answered this request.

        An empty request ends the asking.
        """
        self._checkpoint_requests[key] = request

    def forget(self, key: Key) -> None:
        """Stop polling a job."""
        self._targets.pop(key, None)
        self._checkpoint_requests.pop(key, None)

    def target(self, key: Key) -> Target | None:
        """Return the polled attempt of a job, or None."""
        return self._targets.get(key)

    def polling(self, key: Key) -> Polling | None:
        """Return what the polls of a job have shown by now, or None if it is not polled."""
        target = self._targets.get(key)
        return target.polling(self._clock(), self._seconds_since_advance()) if target is not None else None

    def _seconds_since_advance(self) -> tuple[float, ...]:
        now = self._clock()
        if now - self._fleet_at >= _FLEET_SECONDS:
            advances = (target.advanced_at for target in self._targets.values())
            self._fleet = tuple(sorted(now - moment for moment in advances if moment is not None))
            self._fleet_at = now
        return self._fleet

    async def run(self) -> None:
        """Poll all targets, again and again, until cancelled."""
        limit = asyncio.Semaphore(_AT_ONCE)
        timeout = aiohttp.ClientTimeout(total=_WHOLE_SECONDS, sock_connect=_CONNECT_SECONDS, sock_read=_ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                await self._poll_all(session, limit)

    async def _poll_all(self, session: aiohttp.ClientSession, limit: asyncio.Semaphore) -> None:
        """Poll every target once, spread over the interval, so that those of a large fleet do not come all at once."""
        targets = list(self._targets.items())
        left = max(self._interval_seconds, len(targets) / _JOBS_PER_SECOND)
        pause = left * _TOGETHER / max(len(targets), _TOGETHER)
        async with asyncio.TaskGroup() as tasks:
            for number, (key, target) in enumerate(targets, 1):
                await limit.acquire()
                tasks.create_task(self._poll(session, limit, key, target))
                if number % _TOGETHER == 0:
                    await asyncio.sleep(pause)
                    left -= pause
        await asyncio.sleep(max(0.0, left))

    async def _poll(self, session: aiohttp.ClientSession, limit: asyncio.Semaphore, key: Key, target: Target) -> None:
        try:
            report = await fetch_report(target.address) if target.address else None
            await self._pass_request_on(session, key, target, report)
        except NoAnswer:
            target.mute(self._clock())
            return
        finally:
            limit.release()
        if report is None or report.attempt != target.attempt:
            target.unreachable(self._clock())
        elif target.heard(report, self._clock()):
            self._enqueue(key)

    async def _pass_request_on(
        self, session: aiohttp.ClientSession, key: Key, target: Target, report: ProgressReport | None
    ) -> None:
        """Send the request for a checkpoint to a rank 0 that has just answered and has not taken it yet."""
        request = self._checkpoint_requests.get(key, "")
        if not request or report is None or report.attempt != target.attempt or not target.address:
            return
        if report.checkpoint_request != request:
            await request_checkpoint(session, target.address, request)
