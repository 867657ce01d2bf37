"""Probes: their thresholds, which answers count as healthy, and what follows from unhealthy ones."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from posefleet_lab.process_node.containers.probes import ContainerProbing, Probe, Prober, ProbeResult, Threshold


def verdicts(threshold, answers):
    return [threshold.observe(healthy=answer) for answer in answers]


def test_so_many_failures_in_a_row_are_needed():
    answers = [False, False, True, False, False, False]
    assert verdicts(Threshold(success=1, failure=3), answers) == [None, None, True, None, None, False]


def test_so_many_successes_in_a_row_are_needed():
    assert verdicts(Threshold(success=2, failure=1), [True, False, True, True]) == [None, False, None, True]


def test_a_probe_without_settings_has_kubernetes_defaults():
    probe = Probe({"tcpSocket": {"port": 1}})
    assert (probe.period_seconds, probe.timeout_seconds, probe.initial_delay_seconds) == (10, 1, 0)
    assert probe.threshold() == Threshold(1, 3)


def a_prober(execute=None, **container):
    return Prober("127.0.0.1", container, execute)


async def test_an_exec_probe_is_healthy_with_exit_code_0():
    async def execute(command, _seconds):
        return (0, "") if command == ["true"] else (1, "not yet")

    prober = a_prober(execute)
    assert (await prober.probe_once(Probe({"exec": {"command": ["true"]}}))).healthy
    failed = await prober.probe_once(Probe({"exec": {"command": ["false"]}}))
    assert (failed.healthy, failed.detail) == (False, "not yet")


async def test_a_slow_probe_fails():
    async def never(_command, _seconds):
        await asyncio.Event().wait()

    result = await a_prober(never).probe_once(Probe({"exec": {"command": ["x"]}, "timeoutSeconds": 0.01}))
    assert not result.healthy


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (302, True), (404, False), (503, False)])
async def test_http_statuses(status, healthy, unused_tcp_port):
    async def answer(_request):
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/healthz", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    try:
        prober = a_prober(ports=[{"name": "http", "containerPort": unused_tcp_port}])
        result = await prober.probe_once(Probe({"httpGet": {"path": "/healthz", "port": "http"}}))
    finally:
        await runner.cleanup()
    assert result.healthy is healthy


async def test_a_closed_port_is_unhealthy(unused_tcp_port):
    result = await a_prober().probe_once(Probe({"tcpSocket": {"port": unused_tcp_port}}))
    assert not result.healthy
    assert str(unused_tcp_port) in result.detail


@dataclass
class Record:
    ready: bool = False
    started: bool = False


@dataclass
class Owner:
    """A container that records what its probes report."""

    container: dict[str, Any]
    record: Record = field(default_factory=Record)
    failures: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    def readiness_changed(self) -> None:
        return

    def probe_failed(self, message: str) -> None:
        self.failures.append(message)

    def unhealthy(self, problem: str) -> None:
        self.ends.append(problem)


class FailingProber:
    """A prober whose probes all fail, which counts them by the name of the probe."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    async def probe_once(self, probe: Probe) -> ProbeResult:
        name = probe.spec["name"]
        self.counts[name] = self.counts.get(name, 0) + 1
        return ProbeResult(healthy=False, detail="it fails")


@pytest.fixture
def without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _seconds: whole(0))


async def probe_for_long(owner: Owner, prober: FailingProber, other: str) -> None:
    """Probe until the probe ``other``, which never stops, has run 50 times, or for 1000 turns of the event loop."""
    task = asyncio.create_task(ContainerProbing(owner, prober).run())  # type: ignore[arg-type]
    for _ in range(1000):
        if prober.counts.get(other, 0) >= 50:
            break
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_container_that_is_not_alive_is_ended_once(without_delays):
    probes = {"livenessProbe": {"name": "alive", "failureThreshold": 2}, "readinessProbe": {"name": "ready"}}
    owner, prober = Owner(probes), FailingProber()
    await probe_for_long(owner, prober, "ready")
    assert owner.ends == ["failed liveness probe"]
    assert prober.counts["alive"] == 2
    assert prober.counts["ready"] >= 50


async def test_a_container_that_does_not_start_is_ended_once_and_never_counts_as_started(without_delays):
    owner = Owner({"startupProbe": {"name": "started", "failureThreshold": 3}, "livenessProbe": {"name": "alive"}})
    prober = FailingProber()
    await probe_for_long(owner, prober, "alive")
    assert owner.ends == ["failed startup probe"]
    assert prober.counts == {"started": 3}
    assert not owner.record.started


async def test_a_probe_that_a_node_cannot_ask_fails_and_says_so():
    answer = await Prober("127.0.0.1", {}, None).probe_once(Probe({"grpc": {"port": 9000}}))  # type: ignore[arg-type]
    assert not answer.healthy
    assert "httpGet" in answer.detail
