"""The answers of the liveness probe."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Self

import aiohttp

from posefleet_lab.ports import free_port
from posefleet_operator import main as main_module
from posefleet_operator.main import Operator
from posefleet_operator.telemetry import health
from posefleet_operator.telemetry.health import serving
from posefleet_operator.telemetry.metrics import Metrics
from unit.operator.builders import SETTINGS
from unit.operator.fake_cluster import FakeCluster


class Connection(FakeCluster):
    """A fake API server that answers nothing but Leases."""

    async def pages(self, *_) -> AsyncIterator[None]:
        while not self.objects:  # noqa: ASYNC110  until the operator has written its Lease and leads
            await asyncio.sleep(0.01)
        raise ValueError("an answer that nobody understands")
        yield

    def while_leading(self, _: object) -> Self:
        return self

    async def close(self) -> None:
        pass


async def test_a_leader_that_cannot_stop_leading_is_reported(monkeypatch) -> None:
    async def connect(*_: object) -> Connection:
        return Connection()

    monkeypatch.setattr(main_module.Cluster, "connect", connect)
    looked = asyncio.Event()
    monkeypatch.setattr(main_module.Controller, "stop", lambda _: looked.wait())
    monkeypatch.setattr(health, "_HUNG_SECONDS", 2.0)
    settings = replace(SETTINGS, http_host="127.0.0.1", http_port=free_port())
    running = asyncio.create_task(Operator(settings).run())
    try:
        async with asyncio.timeout(20), aiohttp.ClientSession(f"http://127.0.0.1:{settings.http_port}") as session:
            answers = [await _health(session)]
            while answers[-1] != 503:
                await asyncio.sleep(0.05)
                answers.append(await _health(session))
    finally:
        looked.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert 200 in answers


async def _health(session: aiohttp.ClientSession) -> int:
    try:
        return (await session.get("/healthz")).status
    except aiohttp.ClientConnectionError:
        return 0


async def test_probes_and_metrics_are_served() -> None:
    metrics = Metrics()
    async with (
        serving("127.0.0.1", 0, lambda: (True, "leading"), lambda: (False, "starting"), metrics.exposition) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        assert (await session.get("/healthz")).status == 200
        assert (await session.get("/readyz")).status == 503
        assert "posefleet_reconcile_seconds" in await (await session.get("/metrics")).text()
