"""Probes: thresholds, ports by name, and what answers count as healthy."""

import asyncio

import pytest
from aiohttp import web

from posefleet_lab.process_node.containers.probes import Probe, Prober, Threshold


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
    assert (await prober.ask(Probe({"exec": {"command": ["true"]}}))).healthy
    failed = await prober.ask(Probe({"exec": {"command": ["false"]}}))
    assert (failed.healthy, failed.detail) == (False, "not yet")


async def test_a_slow_probe_fails():
    async def never(_command, _seconds):
        await asyncio.Event().wait()

    result = await a_prober(never).ask(Probe({"exec": {"command": ["x"]}, "timeoutSeconds": 0.01}))
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
        result = await prober.ask(Probe({"httpGet": {"path": "/healthz", "port": "http"}}))
    finally:
        await runner.cleanup()
    assert result.healthy is healthy


async def test_a_closed_port_is_unhealthy(unused_tcp_port):
    result = await a_prober().ask(Probe({"tcpSocket": {"port": unused_tcp_port}}))
    assert not result.healthy
    assert str(unused_tcp_port) in result.detail
