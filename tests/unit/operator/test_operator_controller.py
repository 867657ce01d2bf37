"""Tasks that never give up on a job, and end when it is gone."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.client import ApiError
from posefleet_operator.cluster.election import NotLeading
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.controller import Controller, _Worker
from posefleet_operator.executor import Refused
from posefleet_operator.observation import Observation, Refusal
from posefleet_operator.plan import Plan
from posefleet_operator.reasons import REFUSED
from posefleet_operator.reconcile import reconcile
from posefleet_operator.telemetry.metrics import Metrics
from unit.operator.builders import NOW, SETTINGS, JobBuilder, a_job, a_pod, a_report, ago, suspended_job
from unit.operator.plans import message_of, reconciled

KEY = ("lab", "reaching")


class Recorder:
    """In the place of the performer: remembers plans, and fails on request."""

    def __init__(self) -> None:
        self.done: list[tuple[Observation, Plan, bool]] = []
        self.failures: list[Exception] = []
        #: What else happens while a plan is carried out.
        self.meanwhile: Callable[[], object] = lambda: None

    async def why_no_pods(self, namespace: str, job: ChildJob) -> str:
        return f"pods of {namespace}/{job.identity.name}: exceeded quota"

    async def execute(self, seen: Observation, plan: Plan, write_status: bool) -> None:
        self.done.append((seen, plan, write_status))
        self.meanwhile()
        if self.failures:
            raise self.failures.pop(0)


def a_controller(job: JobBuilder) -> tuple[Controller, Recorder]:
    cache, recorder = Cache(), Recorder()
    cache.training_jobs.apply("ADDED", job.manifest())
    for manifest in job.child_jobs:
        cache.child_jobs.apply("ADDED", manifest)
    for manifest in job.pods:
        cache.pods.apply("ADDED", manifest)
    executor: Any = recorder
    return Controller(cache, executor, SETTINGS, Metrics(), lambda: NOW), recorder


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.001)


async def test_a_woken_job_is_looked_at() -> None:
    controller, recorder = a_controller(a_job())
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 1)
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 2)
    await controller.stop()


async def test_a_job_that_nobody_knows_gets_no_task() -> None:
    controller, recorder = a_controller(a_job())
    controller.enqueue(("lab", "unknown"))
    await asyncio.sleep(0)

    assert recorder.done == []


async def test_an_error_is_tried_again() -> None:
    controller, recorder = a_controller(a_job())
    recorder.failures = [ApiError(0, "Unreachable", "no answer")]
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 2)
    await controller.stop()


async def test_a_defect_is_logged_and_tried_again(caplog) -> None:
    controller, recorder = a_controller(a_job())
    recorder.failures = [ZeroDivisionError()]
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 2)
    await controller.stop()

    assert "reconcile failed" in caplog.text


async def test_a_refusal_is_shown_in_the_next_status() -> None:
    controller, recorder = a_controller(a_job().prepared())
    recorder.failures = [Refused(Refusal(REFUSED, "the API server refuses Job reaching-a1: quota"))]
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 2)
    await controller.stop()

    _, plan, _ = recorder.done[1]
    assert plan.create == []
    assert "quota" in message_of(plan, "Running")


async def test_the_task_of_a_deleted_job_ends() -> None:
    controller, recorder = a_controller(a_job())
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 1)
    controller.cache.training_jobs.forget(KEY)
    controller.enqueue(KEY)
    await until(lambda: not any(task.get_name().startswith("job ") for task in asyncio.all_tasks()))


@pytest.mark.parametrize("turns_of_the_loop", range(6))
async def test_a_task_that_is_being_woken_stops(turns_of_the_loop) -> None:
    controller, recorder = a_controller(a_job())
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 1)
    await asyncio.sleep(0.01)
    controller.enqueue(KEY)
    for _ in range(turns_of_the_loop):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await controller.stop()

    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("job ")] == []
    done = len(recorder.done)
    await asyncio.sleep(0.01)
    assert len(recorder.done) == done


async def test_rank_0_of_a_running_attempt_is_asked_for_its_progress() -> None:
    controller, _ = a_controller(a_job().running_attempt(2))
    controller.enqueue(KEY)
    await until(lambda: controller.poller.target(KEY) is not None)
    await controller.stop()

    target = controller.poller.target(KEY)
    assert target is not None
    assert (target.attempt, target.address) == (2, "10.0.0.9")


async def test_a_new_operator_gives_an_attempt_the_whole_time_once_more() -> None:
    controller, recorder = a_controller(a_job().with_policy(stallSeconds=60).running_attempt(1, started=7200))
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 1)
    await controller.stop()

    _, plan, _ = recorder.done[0]
    assert plan.status.attempts[0].outcome is None
    assert plan.requeue_after == 60


async def test_mere_progress_is_not_written_at_every_step() -> None:
    job = a_job().running_attempt(1)
    job = replace(job, status=reconcile(job.saying(a_report(1, 9)).seen()).status)
    controller, recorder = a_controller(job)
    controller.poller.set_target(KEY, 1, "10.0.0.9")
    target = controller.poller.target(KEY)
    assert target is not None
    for step in (10, 11, 12):
        target.report = a_report(1, step)
        controller.enqueue(KEY)
        await until(lambda step=step: len(recorder.done) >= step - 9)
    await controller.stop()

    assert [written for _, _, written in recorder.done][1:] == [False, False]


@pytest.mark.parametrize(("phase", "counts_against_budget"), [("Preparing", True), ("Succeeded", False)])
async def test_what_goes_well_with_finished_jobs_says_nothing_of_the_operator(
    phase: str, counts_against_budget: bool
) -> None:
    cache, metrics, executor = Cache(), Metrics(), Recorder()
    finished = {} if counts_against_budget else {"completion_time": to_timestamp(NOW)}
    cache.training_jobs.apply("ADDED", a_job().prepared().with_status(phase=phase, **finished).manifest())
    acting: Any = executor
    controller = Controller(cache, acting, SETTINGS, metrics, lambda: NOW)
    controller.enqueue(KEY)
    await until(lambda: len(executor.done) >= 1)
    await asyncio.sleep(0.01)
    await controller.stop()

    assert (
        bool(metrics.registry.get_sample_value("posefleet_reconcile_last_success_timestamp_seconds"))
        is counts_against_budget
    )


async def test_pods_that_a_queue_removed_are_forgotten_while_their_job_is_suspended() -> None:
    job = reconciled(a_job().with_spec(queue="lab-queue").prepared())
    job = job.with_child(suspended_job(job.attempt_manifest(1)))
    controller, recorder = a_controller(job)
    controller.cache.pods.apply("DELETED", a_pod(job).ended(143).deleted().manifest)
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 1 and not controller.cache.pods.of(KEY))
    assert [pod.gone for pod in recorder.done[0][0].pods] == [True]


async def test_a_pod_that_a_queue_removes_during_a_reconcile_is_looked_at_by_the_next_one() -> None:
    job = reconciled(a_job().with_spec(queue="lab-queue").prepared())
    job = job.with_child(suspended_job(job.attempt_manifest(1)))
    controller, recorder = a_controller(job)
    gone = a_pod(job).ended(143).deleted().manifest
    recorder.meanwhile = lambda: controller.cache.pods.apply("DELETED", gone)
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 1)
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) > 1)
    await controller.stop()
    assert [[pod.gone for pod in seen.pods] for seen, _, _ in recorder.done[:2]] == [[], [True]]


async def test_ages_are_measured_by_the_monotonic_clock() -> None:
    job = a_job().running_attempt(1)
    controller, recorder = a_controller(job)
    wall, monotonic = [NOW], [100.0]
    controller = Controller(
        controller.cache, controller._executor, SETTINGS, Metrics(), lambda: wall[0], lambda: monotonic[0]
    )

    def age() -> float:
        return recorder.done[-1][0].ages.since(job.status.start_time)

    controller.enqueue(KEY)
    await until(lambda: bool(recorder.done))
    begun = age()
    wall[0], monotonic[0] = ago(-86_400), 130.0
    controller.enqueue(KEY)
    await until(lambda: age() != begun)
    await controller.stop()
    assert age() - begun == 30


async def test_a_refusal_ends_with_an_edit_of_the_manifest() -> None:
    controller, recorder = a_controller(reconciled(a_job().prepared()))
    recorder.failures = [Refused(Refusal(REFUSED, "the API server refuses Job reaching-a1: quota"))]
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 2)
    assert recorder.done[1][1].create == []
    controller.cache.training_jobs.apply("MODIFIED", edited_manifest(reconciled(a_job().prepared())))
    controller.enqueue(KEY)
    await until(lambda: bool(recorder.done[-1][1].create))
    await controller.stop()

    assert [manifest["kind"] for manifest in recorder.done[-1][1].create] == ["ConfigMap", "Service", "Job"]


def edited_manifest(job: JobBuilder) -> dict[str, Any]:
    manifest = job.edited(resources={"nodes": 2}).manifest()
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": "8"}}


async def test_the_same_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    controller, recorder = a_controller(a_job())
    recorder.failures = [ApiError(500, "InternalError", "no etcd")] * 3
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 4)
    await controller.stop()

    assert len([record for record in caplog.records if "no etcd" in record.message]) == 1


async def test_a_lost_lease_is_not_logged_for_every_job(caplog: pytest.LogCaptureFixture) -> None:
    controller, recorder = a_controller(a_job())
    recorder.failures = [NotLeading("lost")]
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 2)
    await controller.stop()

    assert caplog.records == []


async def test_the_api_server_says_how_long_to_wait_and_no_event_shortens_it() -> None:
    controller, recorder = a_controller(a_job())
    recorder.failures = [ApiError(429, "TooManyRequests", "slow down", retry_after_seconds=0.4)]
    begun = asyncio.get_running_loop().time()
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 1)

    def woken_and_done() -> bool:
        controller.enqueue(KEY)
        return len(recorder.done) >= 2

    await until(woken_and_done)
    await controller.stop()

    assert asyncio.get_running_loop().time() - begun >= 0.4


async def test_a_job_whose_pods_are_refused_says_why() -> None:
    job = reconciled(a_job().prepared())
    started = {**job.attempt_manifest(1), "status": {"startTime": to_timestamp(ago(400))}}
    controller, recorder = a_controller(reconciled(job.with_child(started)))
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 1)
    await controller.stop()

    assert message_of(recorder.done[0][1], "Running") == (
        "the API server refuses pods of Job reaching-a1: pods of lab/reaching-a1: exceeded quota; "
        "lower spec.resources, or ask for more quota in the namespace"
    )
    assert [event.reason.name for event in recorder.done[0][1].events] == ["Refused"]


async def test_the_traceback_of_a_defect_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    controller, recorder = a_controller(a_job())
    recorder.failures = [ZeroDivisionError() for _ in range(3)]
    controller.enqueue(KEY)
    await until(lambda: len(recorder.done) >= 4)
    await controller.stop()

    assert [record.message for record in caplog.records] == ["reconcile failed, and is tried again until it works"]


async def test_a_poll_that_shows_another_step_wakes_a_job_only_when_its_progress_is_due() -> None:
    job = a_job().running_attempt(1)
    controller, recorder = a_controller(replace(job, status=reconcile(job.saying(a_report(1, 9)).seen()).status))
    controller.poller.set_target(KEY, 1, "10.0.0.9")
    target = controller.poller.target(KEY)
    assert target is not None
    target.report = a_report(1, 10)
    controller._report_changed(KEY)
    await until(lambda: len(recorder.done) >= 1)
    worker = controller._workers[KEY]
    worker.queued.clear()

    target.report = a_report(1, 11)
    controller._report_changed(KEY)
    assert not worker.queued.is_set()
    later = a_report(1, 11)
    target.report = later.model_copy(update={"progress": later.progress.model_copy(update={"stage": "predict"})})
    controller._report_changed(KEY)
    assert worker.queued.is_set()
    worker.queued.clear()
    target.report, worker.report = a_report(1, 12), a_report(1, 11)
    worker.progress_written -= SETTINGS.progress_seconds
    controller._report_changed(KEY)
    assert worker.queued.is_set()
    await controller.stop()


def test_a_large_fleet_writes_the_progress_of_each_job_more_rarely() -> None:
    controller, _ = a_controller(a_job())
    assert controller._progress_seconds == SETTINGS.progress_seconds
    for number in range(1000):
        controller.poller.set_target(("lab", f"job-{number}"), 1, "10.0.0.9")

    assert controller._progress_seconds == 200.0


async def test_the_number_of_pods_that_run_is_not_written_at_every_pod() -> None:
    job = reconciled(a_job().prepared())
    plan = reconcile(job.seen())
    controller, _ = a_controller(job)
    worker = _Worker(progress_written=asyncio.get_running_loop().time())
    counted = [c.model_copy(update={"message": "2 of 4 pods run"}) for c in plan.status.conditions]
    other = replace(plan, create=[], status=plan.status.model_copy(update={"conditions": counted}), events=[])

    assert 0.0 < controller._pause_before_details(plan.status, other, worker) <= 1.0
    worker.progress_written -= 2.0
    assert controller._pause_before_details(plan.status, other, worker) <= 0.0
    worker.progress_written += 2.0
    ended = replace(other, status=other.status.model_copy(update={"phase": "Failed"}))
    assert controller._pause_before_details(plan.status, ended, worker) == 0.0


async def test_only_one_job_at_a_time_asks_why_it_has_no_pods() -> None:
    controller, _ = a_controller(a_job().running_attempt(1))
    (job,) = controller.cache.child_jobs.of(KEY)
    first, second = _Worker(), _Worker()

    assert "exceeded quota" in await controller._why_no_pods(KEY, first, job)
    assert await controller._why_no_pods(("lab", "other"), second, job) == ""
    assert "exceeded quota" in await controller._why_no_pods(KEY, first, job)
    controller._ask_next -= 1.0
    assert "exceeded quota" in await controller._why_no_pods(("lab", "other"), second, job)
