"""Tasks that never give up on a job, and end when it is gone."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from posefleet_operator.apply import Refused
from posefleet_operator.cache import Cache
from posefleet_operator.client import ApiError
from posefleet_operator.metrics import Metrics
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan
from posefleet_operator.reconcile import reconcile
from posefleet_operator.runtime import Runtime
from posefleet_operator.timestamps import to_timestamp
from unit.operator.builders import NOW, SETTINGS, JobBuilder, a_job, a_report

KEY = ("lab", "reaching")


class Recorder:
    """In the place of the performer: remembers plans, and fails when told to."""

    def __init__(self) -> None:
        self.done: list[tuple[Observation, Plan, bool]] = []
        self.failures: list[Exception] = []

    async def perform(self, seen: Observation, plan: Plan, write_status: bool) -> None:
        self.done.append((seen, plan, write_status))
        if self.failures:
            raise self.failures.pop(0)


def a_runtime(job: JobBuilder) -> tuple[Runtime, Recorder]:
    cache, recorder = Cache(), Recorder()
    cache.training_jobs.apply("ADDED", job.manifest())
    for manifest in job.child_jobs:
        cache.child_jobs.apply("ADDED", manifest)
    for manifest in job.pods:
        cache.pods.apply("ADDED", manifest)
    performer: Any = recorder
    return Runtime(cache, performer, SETTINGS, Metrics(), lambda: NOW), recorder


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.001)


async def test_a_woken_job_is_looked_at() -> None:
    runtime, recorder = a_runtime(a_job())
    runtime.wake(KEY)
    await until(lambda: len(recorder.done) == 1)
    runtime.wake(KEY)
    await until(lambda: len(recorder.done) == 2)
    await runtime.stop()


async def test_a_job_that_nobody_knows_gets_no_task() -> None:
    runtime, recorder = a_runtime(a_job())
    runtime.wake(("lab", "unknown"))
    await asyncio.sleep(0)

    assert recorder.done == []


async def test_an_error_is_tried_again() -> None:
    runtime, recorder = a_runtime(a_job())
    recorder.failures = [ApiError(0, "Unreachable", "no answer")]
    runtime.wake(KEY)
    await until(lambda: len(recorder.done) == 2)
    await runtime.stop()


async def test_a_defect_is_logged_and_tried_again(caplog) -> None:
    runtime, recorder = a_runtime(a_job())
    recorder.failures = [ZeroDivisionError()]
    runtime.wake(KEY)
    await until(lambda: len(recorder.done) == 2)
    await runtime.stop()

    assert "reconcile failed" in caplog.text


async def test_a_refusal_is_shown_in_the_next_status() -> None:
    runtime, recorder = a_runtime(a_job().prepared())
    recorder.failures = [Refused("the API server refuses Job reaching-a1: quota")]
    runtime.wake(KEY)
    await until(lambda: len(recorder.done) == 2)
    await runtime.stop()

    _, plan, _ = recorder.done[1]
    assert plan.apply == []
    assert "quota" in plan.status.conditions[-1].message


async def test_the_task_of_a_deleted_job_ends() -> None:
    runtime, recorder = a_runtime(a_job())
    runtime.wake(KEY)
    await until(lambda: len(recorder.done) == 1)
    runtime.cache.training_jobs.forget(KEY)
    runtime.wake(KEY)
    await until(lambda: not any(task.get_name().startswith("job ") for task in asyncio.all_tasks()))


@pytest.mark.parametrize("turns_of_the_loop", range(6))
async def test_a_task_that_is_being_woken_stops(turns_of_the_loop) -> None:
    runtime, recorder = a_runtime(a_job())
    runtime.wake(KEY)
    await until(lambda: len(recorder.done) == 1)
    await asyncio.sleep(0.01)
    runtime.wake(KEY)
    for _ in range(turns_of_the_loop):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await runtime.stop()


async def test_rank_0_of_a_running_attempt_is_asked_for_its_progress() -> None:
    runtime, _ = a_runtime(a_job().running_attempt(2))
    runtime.wake(KEY)
    await until(lambda: runtime.asker.target(KEY) is not None)
    await runtime.stop()

    target = runtime.asker.target(KEY)
    assert target is not None
    assert (target.attempt, target.address) == (2, "10.0.0.9")


async def test_a_new_operator_gives_an_attempt_the_whole_time_once_more() -> None:
    runtime, recorder = a_runtime(a_job().with_policy(stallSeconds=60).running_attempt(1, started=7200))
    runtime.wake(KEY)
    await until(lambda: len(recorder.done) == 1)
    await runtime.stop()

    _, plan, _ = recorder.done[0]
    assert plan.status.attempts[0].outcome == ""
    assert plan.wake_after == 60


async def test_mere_progress_is_not_written_at_every_step() -> None:
    job = a_job().running_attempt(1)
    job = replace(job, status=reconcile(job.saying(a_report(1, 9)).seen()).status)
    runtime, recorder = a_runtime(job)
    runtime.asker.watch(KEY, 1, "10.0.0.9")
    target = runtime.asker.target(KEY)
    assert target is not None
    for step in (10, 11, 12):
        target.report = a_report(1, step)
        runtime.wake(KEY)
        await until(lambda step=step: len(recorder.done) >= step - 9)
    await runtime.stop()

    assert [written for _, _, written in recorder.done][1:] == [False, False]


@pytest.mark.parametrize(("phase", "counts"), [("Preparing", True), ("Succeeded", False)])
async def test_what_goes_well_with_finished_jobs_says_nothing_of_the_operator(phase: str, counts: bool) -> None:
    cache, metrics, performer = Cache(), Metrics(), Recorder()
    finished = {} if counts else {"completion_time": to_timestamp(NOW)}
    cache.training_jobs.apply("ADDED", a_job().prepared().with_status(phase=phase, **finished).manifest())
    acting: Any = performer
    runtime = Runtime(cache, acting, SETTINGS, metrics, lambda: NOW)
    runtime.wake(KEY)
    await until(lambda: len(performer.done) == 1)
    await asyncio.sleep(0.01)
    await runtime.stop()

    assert bool(metrics.registry.get_sample_value("posefleet_reconcile_last_success_timestamp_seconds")) is counts
