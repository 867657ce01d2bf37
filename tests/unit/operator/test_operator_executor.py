"""Performing a plan, in the order that makes a kill harmless."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.client import ApiError
from posefleet_operator.cluster.election import NotLeading
from posefleet_operator.executor import Executor, Refused
from posefleet_operator.observation import Observation
from posefleet_operator.plan import Plan, Reference
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import NOW, JobBuilder, a_job
from unit.operator.fake_cluster import FakeCluster

KEY = ("lab", "reaching")


class Bench:
    def __init__(self, job: JobBuilder) -> None:
        self.cluster, self.cache = FakeCluster(), Cache()
        self.cluster.put(job.manifest())
        self.cache.training_jobs.apply("ADDED", self.cluster.objects["PoseTrainingJob", "reaching"])
        self.leads = True
        self.executor = Executor(self.cluster, self.cache, self._may_write, "operator-1")
        self.builder = job

    def _may_write(self) -> None:
        if not self.leads:
            raise NotLeading

    def seen(self) -> Observation:
        manifest = self.cache.training_jobs.get(KEY)
        assert manifest is not None
        return replace(self.builder.seen(), manifest=manifest, child_jobs=self.cache.child_jobs.of(KEY))

    async def reconcile(self) -> None:
        seen = self.seen()
        await self.executor.execute(seen, reconcile(seen), write_status=True)


async def test_children_and_events_come_before_the_status() -> None:
    bench = Bench(a_job().prepared())
    await bench.reconcile()

    assert [write.rsplit(" ", 1)[0] for write in bench.cluster.writes] == [
        "apply ConfigMap", "apply Service", "create Job", "create Event", "apply status of PoseTrainingJob",
    ]  # fmt: skip


async def test_a_job_reads_its_own_writes() -> None:
    bench = Bench(a_job().prepared())
    await bench.reconcile()

    assert bench.seen().status.current_attempt == 1
    assert [job.identity.name for job in bench.cache.child_jobs.of(KEY)] == ["reaching-a1"]


async def test_an_unchanged_status_is_not_written() -> None:
    bench = Bench(a_job().prepared())
    await bench.reconcile()
    writes = len(bench.cluster.writes)
    await bench.reconcile()
    await bench.reconcile()

    assert len(bench.cluster.writes) <= writes + 1  # the waiting reason once


async def test_what_exists_already_is_no_error() -> None:
    bench = Bench(a_job().prepared())
    bench.cluster.put(a_job().prepared().attempt_manifest(1))
    await bench.reconcile()

    assert bench.seen().status.current_attempt == 1


async def test_a_namesakes_child_is_not_taken_for_ones_own() -> None:
    bench = Bench(a_job().prepared())
    bench.cluster.put(replace(a_job(), uid="uid-0").attempt_manifest(1))
    with pytest.raises(ApiError):
        await bench.reconcile()

    assert bench.seen().status.current_attempt is None


async def test_a_status_based_on_an_old_version_is_refused_and_looked_at_again() -> None:
    bench = Bench(a_job().prepared())
    bench.cluster.put(a_job().prepared().with_status(failed_attempts=2).manifest())
    with pytest.raises(ApiError):
        await bench.reconcile()

    assert bench.seen().status.failed_attempts == 2


async def test_an_event_is_recorded_only_if_the_status_that_it_speaks_of_could_be_written() -> None:
    bench = Bench(a_job().prepared())
    bench.cluster.put(a_job().prepared().with_status(failed_attempts=2).manifest())
    with pytest.raises(ApiError):
        await bench.reconcile()

    assert [kind for kind, _ in bench.cluster.objects if kind == "Event"] == []


async def test_a_job_that_is_gone_is_forgotten() -> None:
    bench = Bench(a_job().prepared())
    del bench.cluster.objects["PoseTrainingJob", "reaching"]
    with pytest.raises(ApiError):
        await bench.reconcile()

    assert bench.cache.training_jobs.get(KEY) is None


async def test_a_refused_child_is_told_apart_from_an_outage() -> None:
    bench = Bench(a_job().prepared())
    bench.cluster.failures = [ApiError(403, "Forbidden", "exceeded quota")]
    with pytest.raises(Refused, match="exceeded quota"):
        await bench.reconcile()

    bench.cluster.failures = [ApiError(0, "Unreachable", "no answer")]
    with pytest.raises(ApiError):
        await bench.reconcile()


async def test_nobody_writes_who_does_not_lead() -> None:
    bench = Bench(a_job().prepared())
    bench.leads = False
    with pytest.raises(NotLeading):
        await bench.reconcile()

    assert bench.cluster.writes == []


@pytest.mark.parametrize("error", [ApiError(429, "TooManyRequests", "slow down"), ApiError(500, "Internal", "no etcd")])
async def test_events_that_cannot_be_written_hold_nothing_up(error: ApiError, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(a_job().prepared())
    bench.cluster.refuses = {"Event": error}
    await bench.reconcile()

    assert bench.seen().status.current_attempt == 1
    assert "AttemptStarted" in caplog.text


async def test_an_event_that_is_written_at_the_second_try_is_told_once() -> None:
    bench = Bench(a_job().prepared())
    bench.cluster.refuses = {"Event": ApiError(500, "Internal", "no etcd")}
    bench.cluster.refusals = 1
    await bench.reconcile()

    assert [write.rsplit(" ", 1)[0] for write in bench.cluster.writes][-2:] == [
        "apply status of PoseTrainingJob", "create Event",
    ]  # fmt: skip


async def test_a_job_of_somebody_else_is_told_to_be_in_the_way() -> None:
    bench = Bench(a_job().prepared())
    theirs = a_job().prepared().attempt_manifest(1)
    bench.cluster.put({**theirs, "metadata": {"name": "reaching-a1", "namespace": "lab"}})
    with pytest.raises(Refused, match="a Job reaching-a1 that posefleet has not created"):
        await bench.reconcile()


async def test_a_job_made_before_an_edit_is_not_taken_for_the_one_that_is_wanted() -> None:
    bench = Bench(a_job().prepared())
    bench.cluster.put(a_job().with_spec(training={"epochs": 7}).prepared().attempt_manifest(1))
    with pytest.raises(ApiError):
        await bench.reconcile()

    assert bench.seen().status.current_attempt is None


async def test_jobs_are_deleted_with_their_pods_first_and_only_if_they_are_the_ones_that_were_seen() -> None:
    job = a_job().with_policy(maxFailures=9, backoffSeconds=1).after_attempts("Failed", "Failed", "Failed")
    bench = Bench(job)
    running = ChildJob.read(job.attempt_manifest(3))
    plan = Plan(bench.seen().status, NOW, 1)
    plan.delete_job(running)
    plan.delete += [Reference("ConfigMap", "reaching-a1"), Reference("PoseTrainingJob", "reaching", "uid-1")]
    bench.cluster.put(job.attempt_manifest(3))
    bench.cluster.put({"kind": "ConfigMap", "metadata": {"name": "reaching-a1", "namespace": "lab"}})
    await bench.executor.execute(bench.seen(), plan, write_status=False)

    assert bench.cluster.deletes == [
        ("Job", "reaching-a3", "uid-of-reaching-a3", True),
        ("ConfigMap", "reaching-a1", "", False),
        ("PoseTrainingJob", "reaching", "uid-1", False),
    ]


@pytest.mark.parametrize(("status", "raised"), [(404, False), (409, False), (403, True), (500, True), (0, True)])
async def test_a_delete_of_what_is_gone_or_another_object_is_no_error(status: int, raised: bool) -> None:
    bench = Bench(a_job().prepared())
    plan = Plan(bench.seen().status, NOW, 1)
    plan.delete.append(Reference("Service", "reaching-a1"))
    bench.cluster.failures = [ApiError(status, "Reason", "message")]
    with pytest.raises(ApiError) if raised else nullcontext():
        await bench.executor.execute(bench.seen(), plan, write_status=False)


async def test_a_status_is_written_only_when_that_is_asked_for() -> None:
    bench = Bench(a_job().prepared())
    seen = bench.seen()
    await bench.executor.execute(seen, reconcile(seen), write_status=False)

    assert bench.seen().status.current_attempt is None
    assert ("Job", "reaching-a1") in bench.cluster.objects
