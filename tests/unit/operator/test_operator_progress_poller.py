"""What trainers answer, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from posefleet_api.outcomes import ProgressReport
from posefleet_operator.cluster.objects import Key
from posefleet_operator.cluster.progress_poller import ProgressPoller
from posefleet_operator.cluster.trainer_client import fetch_report
from unit.operator.builders import a_report

REPORT = a_report(1, 42)
KEY = ("lab", "reaching")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.001)


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[ProgressReport | None]]:
    async def ask(**paths: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> ProgressReport | None:
        async with serving(paths) as port:
            monkeypatch.setattr("posefleet_operator.cluster.trainer_client.TRAINER_PORT", port)
            return await fetch_report("127.0.0.1")

    return ask


@asynccontextmanager
async def serving(paths: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]) -> AsyncIterator[int]:
    """A trainer on a port of its own that answers at these paths."""
    application = web.Application()
    application.add_routes([web.route("*", f"/{path}", handler) for path, handler in paths.items()])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def reporting(request: web.Request) -> web.Response:
    return web.json_response(text=REPORT.to_json())


async def test_a_trainer_is_understood(ask) -> None:
    assert await ask(progress=reporting) == REPORT


async def test_a_newer_trainer_is_understood(ask) -> None:
    async def newer(request: web.Request) -> web.Response:
        report = REPORT.to_dict()
        return web.json_response({**report, "mood": "good", "progress": {**report["progress"], "colour": "blue"}})

    assert await ask(progress=newer) == REPORT


async def test_a_report_in_several_pieces_is_put_together(ask) -> None:
    async def in_pieces(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        text = REPORT.to_json().encode()
        for piece in (text[:20], text[20:40], text[40:]):
            await answer.write(piece)
            await asyncio.sleep(0.05)
        return answer

    assert await ask(progress=in_pieces) == REPORT


async def test_a_trainer_cannot_send_the_operator_elsewhere(ask) -> None:
    followed = []

    async def redirecting(request: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    async def elsewhere(request: web.Request) -> web.Response:
        followed.append(request.path)
        return await reporting(request)

    assert await ask(progress=redirecting, elsewhere=elsewhere) is None
    assert followed == []


@pytest.mark.parametrize(
    "answer", [web.Response(text="{}"), web.Response(status=503), web.Response(text=" " * 200_000 + REPORT.to_json())]
)
async def test_what_is_no_report_is_passed_over(ask, answer: web.Response) -> None:
    async def answering(request: web.Request) -> web.Response:
        return answer

    assert await ask(progress=answering) is None


async def test_what_is_heard_goes_by_the_operators_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node whose clock is an hour late has not stalled."""
    times = iter([0.0, 50.0, 60.0, *[90.0] * 1000])
    woken: list[Key] = []
    poller = ProgressPoller(woken.append, lambda: next(times), 0.01)
    said = [a_report(1, 1, seconds_ago=3600), a_report(1, 1, seconds_ago=3600), a_report(1, 2, seconds_ago=3500)]

    async def answering(request: web.Request) -> web.Response:
        return web.json_response(text=(said.pop(0) if len(said) > 1 else said[0]).to_json())

    async with serving({"progress": answering}) as port:
        monkeypatch.setattr("posefleet_operator.cluster.trainer_client.TRAINER_PORT", port)
        poller.set_target(KEY, 1, "127.0.0.1")
        asking = asyncio.create_task(poller.run())
        await until(lambda: len(woken) == 2)
        asking.cancel()
    target = poller.target(KEY)
    assert target is not None
    assert (target.polled_since, target.advanced_at, target.heard_at) == (0, 90, 90)


async def test_an_address_is_not_asked_when_its_pod_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be another job's by then."""
    asked: list[str] = []

    async def answering(request: web.Request) -> web.Response:
        asked.append(request.path)
        return await reporting(request)

    async with serving({"progress": answering}) as port:
        monkeypatch.setattr("posefleet_operator.cluster.trainer_client.TRAINER_PORT", port)
        poller = ProgressPoller(lambda key: None, lambda: 0.0, 0.01)
        poller.set_target(KEY, 1, "127.0.0.1")
        asking = asyncio.create_task(poller.run())
        await until(lambda: bool(asked))
        poller.set_target(KEY, 1, "")
        await asyncio.sleep(0.05)
        asked.clear()
        await asyncio.sleep(0.1)
        asking.cancel()
    target = poller.target(KEY)
    assert target is not None
    assert (target.report, asked) == (REPORT, [])


async def test_a_process_that_accepts_a_connection_and_does_not_answer_is_told_from_one_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("posefleet_operator.cluster.trainer_client._ANSWER_SECONDS", 0.05)
    clock = iter(range(1_000_000))
    poller = ProgressPoller(lambda key: None, lambda: next(clock), 0.01)
    # The kernel accepts connections to a socket that listens, although no program takes them.
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        monkeypatch.setattr("posefleet_operator.cluster.trainer_client.TRAINER_PORT", hanging.getsockname()[1])
        poller.set_target(KEY, 1, "127.0.0.1")
        asking = asyncio.create_task(poller.run())
        await until(lambda: poller.polling(KEY).mute_for > 0)
    await until(lambda: poller.polling(KEY).mute_for == 0)
    asking.cancel()
    assert poller.polling(("lab", "other")) is None


async def test_the_fleet_is_what_each_polled_attempt_has_done() -> None:
    now = [0.0]
    poller = ProgressPoller(lambda key: None, lambda: now[0], 0.01)
    for number, advanced in enumerate([3.0, 1.0, None]):
        key = ("lab", f"job-{number}")
        poller.set_target(key, 1, "127.0.0.1")
        if advanced is not None:
            poller.target(key).heard(REPORT, now=advanced)
    now[0] = 10.0
    assert poller.polling(("lab", "job-2")).fleet == (7, 9)
    now[0] = 10.5
    assert poller.polling(("lab", "job-2")).fleet == (7, 9)
    now[0] = 12.0
    assert poller.polling(("lab", "job-2")).fleet == (9, 11)
