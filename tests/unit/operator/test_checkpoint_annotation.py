"""The annotation posefleet.io/checkpoint-now, from the annotation to rank 0 and back to the status."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from posefleet_api.constants import ANNOTATION_CHECKPOINT_NOW
from posefleet_api.outcomes import ProgressReport
from posefleet_api.status import Checkpoint
from posefleet_operator.cluster.progress_poller import ProgressPoller
from unit.operator.builders import NOW, a_job, a_report
from unit.operator.test_operator_controller import a_controller
from unit.operator.test_operator_progress_poller import KEY, serving, until
from unit.operator.world import World


def with_running_gang() -> World:
    return World.of(a_job().with_policy(maxFailures=1)).bring_up()


def a_report_after(request: str, attempt: int = 1) -> ProgressReport:
    checkpoint = Checkpoint(uri="s3://c/40", step=40, time="2026-01-31T11:59:59Z", sha256="0" * 64)
    return a_report(attempt, 42).model_copy(update={"checkpoint_request": request, "last_checkpoint": checkpoint})


def test_rank_0_is_asked_until_it_reports_the_checkpoint() -> None:
    world = with_running_gang()
    assert world.reconcile().checkpoint_request == ""
    world.annotate(ANNOTATION_CHECKPOINT_NOW, "before the move")
    for report in (None, a_report(1, 41), a_report_after("an older request"), a_report_after("before the move", 7)):
        world.report = report
        world.settle(1)
        assert world.reconcile().checkpoint_request == "before the move"
        assert world.status.checkpoint_request == ""

    world.report = a_report_after("before the move")
    world.settle(1)
    assert world.status.checkpoint_request == "before the move"
    assert world.reconcile().checkpoint_request == ""
    (note,) = world.notes("CheckpointTaken")
    assert "the checkpoint of step 40 is in the store" in note
    assert "before the move" in note


def test_every_new_value_is_another_request() -> None:
    world = with_running_gang()
    for value in ("1", "2"):
        world.annotate(ANNOTATION_CHECKPOINT_NOW, value)
        world.settle(1)
        world.report = a_report_after(value)
        world.settle(1)

    assert world.reasons.count("CheckpointTaken") == 2


def test_an_attempt_that_starts_is_asked_when_it_runs() -> None:
    world = World.of(a_job())
    world.settle()
    world.run_pods()
    world.end_all(0)
    world.settle(1)
    assert world.status.phase == "Starting"
    world.annotate(ANNOTATION_CHECKPOINT_NOW, "1")
    world.settle(1)

    assert (world.reconcile().checkpoint_request, world.status.checkpoint_request) == ("1", "")


@pytest.mark.parametrize("exit_code", [None, 0, 1, 75], ids=["preparing", "succeeded", "failed", "between attempts"])
def test_a_request_while_no_attempt_runs_is_recorded_and_says_so(exit_code: int | None) -> None:
    world = World.of(a_job())
    world.settle()
    if exit_code is not None:
        world = with_running_gang()
        world.end_all(exit_code)
        world.settle(1)
    world.annotate(ANNOTATION_CHECKPOINT_NOW, "1")
    world.settle(0)

    assert world.status.checkpoint_request == "1"
    assert world.reconcile().checkpoint_request == ""
    (note,) = world.notes("CheckpointNotTaken")
    assert "no attempt runs" in note


def test_a_long_value_is_cut_as_the_status_is() -> None:
    world = with_running_gang()
    world.annotate(ANNOTATION_CHECKPOINT_NOW, "é" * 300)
    world.settle(1)
    assert world.reconcile().checkpoint_request == "é" * 253

    world.report = a_report_after("é" * 253)
    world.settle(1)
    assert world.status.checkpoint_request == "é" * 253


async def test_a_request_is_sent_with_every_poll_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, Any]] = []

    async def progress(request: web.Request) -> web.Response:
        answered = sent[-1][1]["request"] if len(sent) == 3 else ""
        return web.json_response(text=a_report_after(answered).to_json())

    async def checkpoint(request: web.Request) -> web.Response:
        sent.append((request.method, await request.json()))
        return web.Response(status=500 if len(sent) == 1 else 202)

    async with serving({"progress": progress, "checkpoint": checkpoint}) as port:
        monkeypatch.setattr("posefleet_operator.cluster.trainer_client.TRAINER_PORT", port)
        poller = ProgressPoller(lambda key: None, lambda: NOW, 0.01)
        poller.set_target(KEY, 1, "127.0.0.1")
        asking = asyncio.create_task(poller.run())
        await asyncio.sleep(0.05)
        assert sent == []
        poller.ask_for_checkpoint(KEY, "now 😀")
        await until(lambda: len(sent) == 3)
        await asyncio.sleep(0.1)
        asking.cancel()

    assert sent == [("POST", {"request": "now 😀"})] * 3


async def test_only_the_attempt_that_is_polled_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address can be another job's by now, and a trainer without a route for requests goes on to be polled."""
    paths: list[str] = []

    async def progress(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.json_response(text=a_report_after("", attempt=2 if len(paths) < 5 else 1).to_json())

    async with serving({"progress": progress}) as port:
        monkeypatch.setattr("posefleet_operator.cluster.trainer_client.TRAINER_PORT", port)
        poller = ProgressPoller(lambda key: None, lambda: NOW, 0.01)
        poller.set_target(KEY, 1, "127.0.0.1")
        poller.ask_for_checkpoint(KEY, "now")
        asking = asyncio.create_task(poller.run())
        await until(lambda: len(paths) == 9)
        asking.cancel()
    target = poller.target(KEY)
    assert target is not None
    assert target.report is not None


async def test_a_trainer_that_cannot_be_asked_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    async def progress(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.json_response(text=a_report_after("").to_json())

    async with serving({"progress": progress}) as port:
        monkeypatch.setattr("posefleet_operator.cluster.trainer_client.TRAINER_PORT", port)
        monkeypatch.setattr(
            "posefleet_operator.cluster.trainer_client._url", lambda address, path: f"http://{address}:1/{path}"
        )
        poller = ProgressPoller(lambda key: None, lambda: NOW, 0.01)
        poller.set_target(KEY, 1, "127.0.0.1")
        poller.ask_for_checkpoint(KEY, "now")
        asking = asyncio.create_task(poller.run())
        await until(lambda: len(heard) == 3)
        assert not asking.done()
        asking.cancel()


async def test_the_controller_passes_a_request_on_to_the_poller(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, str]] = []
    controller, recorder = a_controller(a_job().running_attempt(1))
    manifest = controller.cache.training_jobs.get(KEY)
    assert manifest is not None
    metadata = {**manifest["metadata"], "annotations": {ANNOTATION_CHECKPOINT_NOW: "now"}}
    controller.cache.training_jobs.apply("MODIFIED", {**manifest, "metadata": metadata})
    monkeypatch.setattr(controller.poller, "ask_for_checkpoint", lambda *request: asked.append(request))
    controller.enqueue(KEY)
    await until(lambda: bool(asked))
    await controller.stop()

    assert asked[0] == (KEY, "now")
    assert recorder.done
