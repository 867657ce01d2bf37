"""Performing a plan, in the order that makes a kill and a pause harmless."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

from posefleet_operator import reasons
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.client import ApiError
from posefleet_operator.cluster.election import NotLeading
from posefleet_operator.executor import NameConflict, Refused, StatusRefused, _shape
from posefleet_operator.observation import Observation
from posefleet_operator.plan import JobEvent, Plan, Reference
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import NOW, JobBuilder, a_job, controlled_by, deleted_object
from unit.operator.executor_bench import KEY, Bench
from unit.operator.fake_cluster import replace_from_list
from unit.operator.plans import reconciled

JOB_KEY = ("PoseTrainingJob", "reaching")


def recorded() -> JobBuilder:
    """A job whose first attempt is in the status and has no objects yet."""
    return reconciled(a_job().prepared())


def verbs(bench: Bench) -> list[str]:
    return [write.rsplit(" ", 1)[0] for write in bench.cluster.writes]


async def test_an_attempt_is_in_the_status_before_anything_of_it_exists() -> None:
    bench = Bench(a_job().prepared())
    await bench.reconcile()
    assert verbs(bench) == ["patch status of PoseTrainingJob"]
    await bench.reconcile()
    assert verbs(bench)[1:] == ["create ConfigMap", "create Service", "create Job"]
    await bench.reconcile()
    assert verbs(bench)[4:] == ["create Event", "patch status of PoseTrainingJob"]
    await bench.reconcile()
    assert verbs(bench)[6:] == ["patch Job"]
    assert not bench.cluster.objects["Job", "reaching-a1"]["spec"]["suspend"]


async def test_a_job_reads_its_own_writes() -> None:
    bench = Bench(recorded())
    await bench.reconcile()

    assert [job.identity.name for job in bench.cache.child_jobs.of(KEY)] == ["reaching-a1"]


async def test_an_unchanged_status_is_not_written() -> None:
    bench = Bench(a_job().prepared())
    for _ in range(5):
        await bench.reconcile()
    writes = len(bench.cluster.writes)
    await bench.reconcile()
    await bench.reconcile()

    assert len(bench.cluster.writes) == writes


async def test_what_exists_already_is_no_error() -> None:
    bench = Bench(recorded())
    bench.cluster.put(recorded().held_manifest(1))
    await bench.reconcile()

    assert [job.identity.name for job in bench.cache.child_jobs.of(KEY)] == ["reaching-a1"]


async def test_a_configuration_of_an_earlier_edit_is_replaced() -> None:
    bench = Bench(recorded())
    await bench.reconcile()
    del bench.cluster.objects["Job", "reaching-a1"]
    replace_from_list(bench.cache.child_jobs, [], 1000)
    bench.cluster.put(recorded().edited(resources={"nodes": 3}).manifest())
    bench.cache.training_jobs.apply("MODIFIED", bench.cluster.objects["PoseTrainingJob", "reaching"])
    await bench.reconcile()

    assert '"nodes":3' in bench.cluster.objects["ConfigMap", "reaching-a1"]["data"]["job.json"]


async def test_a_namesakes_child_is_not_taken_for_ones_own() -> None:
    bench = Bench(recorded())
    bench.cluster.put(replace(a_job(), uid="uid-0").attempt_manifest(1))
    with pytest.raises(ApiError, match="AlreadyExists"):
        await bench.reconcile()

    assert bench.cache.child_jobs.of(KEY) == ()


async def test_a_status_based_on_an_old_version_is_refused_and_looked_at_again() -> None:
    bench = Bench(a_job().prepared())
    bench.cluster.put(a_job().prepared().with_status(failed_attempts=2).manifest())
    with pytest.raises(ApiError):
        await bench.reconcile()

    assert bench.seen().status.failed_attempts == 2


async def test_an_event_is_recorded_only_if_the_status_that_it_speaks_of_could_be_written() -> None:
    bench = Bench(recorded())
    await bench.reconcile()
    bench.cluster.put(recorded().with_status(failed_attempts=2).manifest())
    with pytest.raises(ApiError):
        await bench.reconcile()

    assert [kind for kind, _ in bench.cluster.objects if kind == "Event"] == []


async def test_a_job_that_is_gone_is_forgotten_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(a_job().prepared())
    del bench.cluster.objects["PoseTrainingJob", "reaching"]
    await bench.reconcile()

    assert bench.cache.training_jobs.get(KEY) is None
    assert caplog.text == ""


async def test_a_status_that_is_refused_is_told_apart_from_an_outage() -> None:
    bench = Bench(a_job().prepared())
    bench.cluster.failures = [ApiError(422, "Invalid", "status.gpus: Required value")]
    with pytest.raises(StatusRefused, match="Required value"):
        await bench.reconcile()

    bench.cluster.failures = [ApiError(422, "Invalid", "status.gpus: Required value")]
    seen = replace(bench.seen(), status_refusal="status.gpus: Required value")
    await bench.executor.execute(seen, reconcile(seen), write_status=True)


async def test_the_fields_that_cannot_be_read_stay_as_they_are() -> None:
    bench = Bench(a_job().running_attempt(1))
    stored = bench.cluster.objects["PoseTrainingJob", "reaching"]
    stored["status"] = {**stored["status"], "attempts": {"newest": 2}, "preparation": "done"}
    seen = replace(bench.seen(), manifest=stored)
    await bench.executor.execute(seen, reconcile(seen), write_status=True)

    assert bench.cluster.patches[-1]["status"].keys() == {"conditions"}


async def test_a_refused_child_is_told_apart_from_an_outage() -> None:
    bench = Bench(recorded())
    bench.cluster.failures = [ApiError(403, "Forbidden", "exceeded quota")]
    with pytest.raises(Refused, match=r"exceeded quota; lower spec\.resources"):
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
    bench = Bench(recorded())
    bench.cluster.refuses = {"Event": error}
    await bench.reconcile()
    await bench.reconcile()

    assert bench.seen().status.attempts[0].job_uid
    assert "AttemptStarted" in caplog.text


async def test_an_event_that_is_written_at_the_second_try_is_told_once() -> None:
    bench = Bench(recorded())
    bench.cluster.refuses = {"Event": ApiError(500, "Internal", "no etcd")}
    bench.cluster.refusals = 1
    await bench.reconcile()
    await bench.reconcile()

    assert verbs(bench)[-2:] == ["patch status of PoseTrainingJob", "create Event"]


@pytest.mark.parametrize("kind", ["ConfigMap", "Service", "Job"])
@pytest.mark.parametrize("owner", ["nobody", "another kind", "another job"])
async def test_an_object_of_somebody_else_is_left_as_it_is(kind: str, owner: str) -> None:
    references = {
        "nobody": [],
        "another kind": [controlled_by(a_job().prepared().attempt_manifest(7))],
        "another job": [controlled_by({**a_job().manifest(), "metadata": {"name": "other", "uid": "uid-9"}})],
    }
    labels = a_job().prepared().attempt_manifest(1)["metadata"]["labels"]
    metadata = {"name": "reaching-a1", "namespace": "lab", "labels": labels, "ownerReferences": references[owner]}
    theirs = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": {"theirs": "kept"}}
    bench = Bench(recorded())
    bench.cluster.put(theirs)
    before = bench.cluster.objects[kind, "reaching-a1"]
    with pytest.raises(NameConflict, match=f"there is a {kind} reaching-a1 that does not belong to this job; rename"):
        await bench.reconcile()

    assert bench.cluster.objects[kind, "reaching-a1"] == before
    assert bench.cluster.deletes == []
    assert bench.cache.child_jobs.of(KEY) == ()


async def test_a_child_that_is_being_deleted_is_waited_for() -> None:
    bench = Bench(recorded())
    bench.cluster.put(deleted_object(recorded().held_manifest(1)))
    with pytest.raises(ApiError, match="AlreadyExists"):
        await bench.reconcile()


async def test_a_job_made_before_an_edit_is_not_taken_for_the_one_that_is_wanted() -> None:
    bench = Bench(recorded())
    bench.cluster.put(a_job().with_spec(training={"epochs": 7}).prepared().attempt_manifest(1))
    with pytest.raises(ApiError):
        await bench.reconcile()

    assert bench.cache.child_jobs.of(KEY) == ()


async def test_only_objects_of_the_job_are_deleted_and_only_those_that_were_seen() -> None:
    job = a_job().with_policy(maxFailures=9, backoffSeconds=1).after_attempts("Failed", "Failed", "Failed")
    bench = Bench(job)
    plan = Plan(bench.seen().status, NOW, 1)
    plan.delete_job(ChildJob.read(job.attempt_manifest(3)))
    plan.delete += [
        Reference("ConfigMap", "reaching-a1"),
        Reference("Service", "reaching-a1"),
        Reference("Service", "reaching-a0"),
        Reference("PoseTrainingJob", "reaching", "uid-1"),
    ]
    bench.cluster.put(job.attempt_manifest(3))
    mine = [controlled_by(job.manifest())]
    for kind, references in (("ConfigMap", mine), ("Service", [])):
        metadata = {"name": "reaching-a1", "namespace": "lab", "uid": f"uid-{kind}", "ownerReferences": references}
        bench.cluster.put({"kind": kind, "metadata": metadata})
    await bench.executor.execute(bench.seen(), plan, write_status=False)

    assert bench.cluster.deletes == [
        ("Job", "reaching-a3", "uid-of-reaching-a3", True),
        ("ConfigMap", "reaching-a1", "uid-ConfigMap", False),
        ("PoseTrainingJob", "reaching", "uid-1", False),
    ]


async def test_a_job_that_somebody_has_changed_since_is_not_released() -> None:
    bench = Bench(recorded())
    for _ in range(2):
        await bench.reconcile()
    seen = bench.seen()
    bench.cluster.put(bench.cluster.objects["Job", "reaching-a1"])
    with pytest.raises(ApiError, match="Conflict"):
        await bench.executor.execute(seen, reconcile(seen), write_status=True)

    assert bench.cluster.objects["Job", "reaching-a1"]["spec"]["suspend"]


async def test_what_a_newer_operator_has_written_stays_in_the_status() -> None:
    bench = Bench(recorded())
    stored = bench.cluster.objects["PoseTrainingJob", "reaching"]
    attempt = {**stored["status"]["attempts"][0], "fieldOfTomorrow": {"a": 1}}
    stored["status"] = {**stored["status"], "attempts": [attempt]}
    seen = replace(bench.seen(), manifest={**stored, "status": {**stored["status"], "fieldOfTomorrow": 7}})
    # This version ignores what it does not know.
    vars(seen).update(status=recorded().status, unreadable={})
    plan = Plan(seen.status, NOW, 1)
    plan.update_attempt(job_uid="uid-2")
    plan.update(gpus=3)
    await bench.executor.execute(seen, plan, write_status=True)

    written = bench.cluster.objects["PoseTrainingJob", "reaching"]["status"]
    assert written["attempts"] == [{**attempt, "jobUid": "uid-2"}]
    assert written["gpus"] == 3
    assert bench.cluster.patches[-1]["status"].keys() == {"attempts", "gpus"}


async def test_a_text_that_is_too_long_for_its_field_is_cut() -> None:
    bench = Bench(recorded())
    plan = Plan(bench.seen().status, NOW, 1)
    plan.update_attempt(reason="x" * 200, message="🐭" * 5000)
    await bench.executor.execute(bench.seen(), plan, write_status=True)

    (attempt,) = bench.cluster.objects["PoseTrainingJob", "reaching"]["status"]["attempts"]
    assert (len(attempt["reason"]), len(attempt["message"])) == (128, 1024)


@pytest.mark.parametrize(("status", "raised"), [(404, False), (409, False), (403, True), (500, True), (0, True)])
async def test_a_delete_of_what_is_gone_or_another_object_is_no_error(status: int, raised: bool) -> None:
    bench = Bench(a_job().prepared())
    plan = Plan(bench.seen().status, NOW, 1)
    plan.delete.append(Reference("Service", "reaching-a1", "uid-2"))
    bench.cluster.failures = [ApiError(status, "Reason", "message")]
    with pytest.raises(ApiError) if raised else nullcontext():
        await bench.executor.execute(bench.seen(), plan, write_status=False)


async def test_a_status_is_written_only_when_that_is_asked_for() -> None:
    bench = Bench(recorded())
    seen = bench.seen()
    plan = reconcile(seen)
    plan.update(gpus=9)
    await bench.executor.execute(seen, plan, write_status=False)

    assert bench.seen().status.gpus != 9
    assert ("Job", "reaching-a1") in bench.cluster.objects


async def test_a_config_map_that_somebody_deleted_is_created_again_and_one_that_is_there_left_alone() -> None:
    bench = Bench(recorded())
    await bench.reconcile()
    seen = bench.seen()
    config = bench.cluster.objects["ConfigMap", "reaching-a1"]
    plan = Plan(seen.status, NOW, 1, restore=[{**config, "data": {"job.json": "other"}}])
    await bench.executor.execute(seen, plan, write_status=True)
    assert bench.cluster.objects["ConfigMap", "reaching-a1"]["data"] == config["data"]

    del bench.cluster.objects["ConfigMap", "reaching-a1"]
    await bench.executor.execute(seen, replace(plan, restore=[config]), write_status=True)
    assert bench.cluster.objects["ConfigMap", "reaching-a1"]["data"] == config["data"]

    bench.cluster.failures = [ApiError(500, "InternalError", "away")]
    with pytest.raises(ApiError):
        await bench.executor.execute(seen, plan, write_status=True)


def with_event(plan: Plan) -> Plan:
    return replace(plan, events=[JobEvent(reasons.ATTEMPT_STARTED, "attempt 1 started", "attempt-1")])


def as_before(bench: Bench) -> Observation:
    """The job as it was before its status was written, at its new version."""
    metadata = {**a_job().prepared().manifest()["metadata"], **bench.cluster.objects[JOB_KEY]["metadata"]}
    bench.cluster.put({**a_job().prepared().manifest(), "metadata": metadata})
    bench.cache.training_jobs.apply("MODIFIED", bench.cluster.objects[JOB_KEY])
    return bench.seen()


async def test_a_change_like_one_that_was_accepted_is_written_without_a_dry_run() -> None:
    bench = Bench(a_job().prepared())
    for _ in range(2):
        seen = as_before(bench)
        await bench.executor.execute(seen, with_event(reconcile(seen)), write_status=True)

    assert bench.cluster.dry_runs == 1
    assert verbs(bench).count("patch status of PoseTrainingJob") == 2


async def test_a_change_that_was_refused_is_tried_without_effect_again() -> None:
    bench = Bench(a_job().prepared())
    seen = as_before(bench)
    await bench.executor.execute(seen, reconcile(seen), write_status=True)
    seen = as_before(bench)
    bench.cluster.failures = [ApiError(422, "Invalid", "status.phase: Unsupported value")]
    with pytest.raises(StatusRefused):
        await bench.executor.execute(seen, reconcile(seen), write_status=True)
    assert bench.cluster.dry_runs == 0

    await bench.executor.execute(seen, with_event(reconcile(seen)), write_status=True)
    assert bench.cluster.dry_runs == 1


def test_changes_with_other_enumerated_values_or_fields_have_another_shape() -> None:
    condition = {"type": "Running", "status": "True", "reason": "AllPodsRun", "message": "attempt 1 runs"}

    assert _shape({"conditions": [condition]}) == _shape({"conditions": [{**condition, "message": "attempt 2 runs"}]})
    assert _shape({"conditions": [condition]}) != _shape({"conditions": [{**condition, "reason": "NodeLost"}]})
    assert _shape({"phase": "Running"}) != _shape({"phase": "Failed"})
    assert _shape({"gpus": 1}) == _shape({"gpus": 8}) != _shape({"gpus": None})
    assert _shape({"gpus": 1}) != _shape({"gpus": 1, "phase": "Running"})
