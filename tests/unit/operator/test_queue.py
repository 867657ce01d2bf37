"""A gang that Kueue preempts goes back into the queue with the Job that it has."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from posefleet_api.status import Attempt
from posefleet_operator.cluster.merge_patch import patched
from posefleet_operator.cluster.objects import Manifest, to_timestamp
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import JobBuilder, a_job, a_pod, ago, finished_job, suspended_job
from unit.operator.plans import condition_of, deletions, reasons, reconciled
from unit.operator.test_lives import CrashingWorld
from unit.operator.world import World

TAKEN_OVER = "posefleet.io/taken-over-by"


def preempted(nodes: int = 1, **spec: Any) -> JobBuilder:
    """A job of a queue that runs, and of which Kueue has suspended the Job; its pods are gone."""
    job = a_job().with_spec(queue="lab-queue", **spec).with_gpus(1, nodes=nodes).running_attempt(1)
    return replace(job.with_child(suspended_job(job.attempt_manifest(1))), pods=())


def marked(manifest: Manifest, number: int = 2) -> Manifest:
    """The Job after it has been handed over to another attempt."""
    handed_over: Manifest = patched(manifest, {"metadata": {"annotations": {TAKEN_OVER: str(number)}}})
    return handed_over


def back_in_line() -> JobBuilder:
    """The job when its next attempt has taken the Job over, which Kueue holds."""
    job = preempted()
    return reconciled(job.with_child(marked(suspended_job(job.attempt_manifest(1)))))


def admitted(manifest: Manifest) -> Manifest:
    return {**manifest, "spec": {**manifest["spec"], "suspend": False}}


def test_the_number_of_the_next_attempt_is_written_before_the_status_says_anything() -> None:
    plan = reconcile(preempted().seen())
    (release,) = plan.release
    (config,) = plan.create

    assert (release.name, release.uid, release.version) == ("reaching-a1", a_job().job_uid(1), 5)
    assert release.patch == {"metadata": {"annotations": {TAKEN_OVER: "2"}}}
    assert (config["kind"], config["metadata"]["name"]) == ("ConfigMap", "reaching-a1")
    assert config["data"]["number"] == "2"
    status = json.loads(config["data"]["job.json"])["status"]
    assert (status["currentAttempt"], [a["reason"] for a in status["attempts"]]) == (2, ["QueuePreempted"])
    assert [attempt.outcome for attempt in plan.status.attempts] == [None]
    assert plan.status.phase == "Queued"
    assert (plan.requeue_after, plan.delete) == (0, [])


def test_one_write_ends_the_attempt_and_begins_the_next() -> None:
    job = preempted()
    plan = reconcile(job.with_child(marked(suspended_job(job.attempt_manifest(1)))).seen())
    first, second = plan.status.attempts

    assert (first.outcome, first.reason) == ("Preempted", "QueuePreempted")
    assert (second.number, second.job_uid, second.gpus) == (2, first.job_uid, 1)
    assert second.logs == "s3://lab-results/reaching/attempts/2/"
    assert (plan.status.failed_attempts, plan.status.preempted_attempts) == (0, 1)
    assert (plan.status.phase, plan.requeue_after) == ("Queued", 0)
    assert (plan.create, plan.delete, plan.release) == ([], [], [])
    assert condition_of(plan, "Running") == ("False", "WaitingForQueue")
    assert reasons(plan) == ["AttemptPreempted", "AttemptStarted"]


def test_a_job_that_kueue_admits_before_the_status_is_written_goes_on() -> None:
    job = preempted()
    early = job.with_child(marked(admitted(job.attempt_manifest(1)))).with_pod(a_pod(job, 1).running(5).manifest)
    plan = reconcile(early.seen())
    assert [(a.number, a.reason) for a in plan.status.attempts] == [(1, "QueuePreempted"), (2, None)]

    after = reconcile(reconciled(early).seen())
    assert (after.status.phase, after.delete) == ("Running", [])
    assert after.status.attempts[1].running_time == to_timestamp(ago(5))


def test_a_job_that_kueue_admits_before_it_is_handed_over_goes_on_as_it_was() -> None:
    job = preempted()
    plan = reconcile(
        job.with_child(admitted(job.attempt_manifest(1))).with_pod(a_pod(job, 1).running().manifest).seen()
    )
    assert (len(plan.status.attempts), plan.status.phase, plan.delete) == (1, "Running", [])


def test_a_job_is_handed_over_when_its_last_pod_is_gone() -> None:
    job = preempted()
    pod = a_pod(job, 1).ended(75).deleted()
    plan = reconcile(job.with_pod(pod.manifest).seen())
    assert (plan.create, plan.release, plan.delete) == ([], [], [])
    assert plan.status.phase == "Queued"

    running = reconcile(job.with_pod(a_pod(job, 1).running().deleted().manifest).seen())
    assert (running.create, running.release, running.delete) == ([], [], [])

    gone = pod.seen.tombstone()
    assert len(reconcile(replace(job.seen(), pods=(gone,))).release) == 1


def test_a_job_that_was_taken_over_waits_runs_and_is_preempted_again() -> None:
    job = back_in_line()
    waiting = marked(suspended_job(job.attempt_manifest(1)))
    plan = reconcile(job.seen())
    assert (plan.create, plan.delete, plan.release) == ([], [], [])
    assert plan.status.phase == "Queued"

    runs = reconciled(job.with_child(admitted(waiting)).with_pod(a_pod(job, 1).running(5).manifest))
    assert runs.status.phase == "Running"
    assert runs.status.attempts[1].running_time == to_timestamp(ago(5))

    again = replace(runs.with_child(waiting), pods=())
    assert reconcile(again.seen()).release[0].patch == {"metadata": {"annotations": {TAKEN_OVER: "3"}}}
    third = reconcile(again.with_child(marked(waiting, 3)).seen())
    assert [(a.number, a.reason) for a in third.status.attempts] == [
        (1, "QueuePreempted"), (2, "QueuePreempted"), (3, None),
    ]  # fmt: skip
    assert third.status.attempts[2].job_uid == job.status.attempts[0].job_uid
    assert third.status.preempted_attempts == 2


def test_a_deleted_config_map_of_a_job_that_was_taken_over_is_created_again_under_its_name() -> None:
    job = back_in_line()
    runs = job.with_child(admitted(marked(suspended_job(job.attempt_manifest(1)))))
    (config,) = reconcile(runs.with_pod(a_pod(job, 1).unready(60).manifest).seen()).restore
    assert (config["metadata"]["name"], config["data"]["number"]) == ("reaching-a1", "2")


def outside_of_queues(manifest: Manifest) -> Manifest:
    labels = {name: value for name, value in manifest["metadata"]["labels"].items() if "kueue" not in name}
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


@pytest.mark.parametrize(
    "changed",
    [
        lambda job: job.with_child(outside_of_queues(suspended_job(job.attempt_manifest(1)))),
        lambda job: job.edited(queue="other-queue"),
        lambda job: job.edited(queue=""),
        lambda job: job.edited(resources={"nodes": 2, "gpusPerNode": 1}),
    ],
    ids=["left the queue", "other queue", "no queue", "edited"],
)
def test_another_job_follows_where_the_old_one_cannot_go_on(changed: Any) -> None:
    job = reconciled(changed(preempted()))
    assert [(a.outcome, a.reason) for a in job.status.attempts] == [("Preempted", "QueuePreempted")]
    assert deletions(reconcile(job.seen())) == [("Job", "reaching-a1")]


def test_a_job_that_is_suspended_while_it_waits_leaves_the_line() -> None:
    plan = reconcile(preempted().edited(suspend=True).seen())
    assert [a.outcome for a in plan.status.attempts] == ["Preempted"]
    assert plan.release == []


def test_a_job_of_which_a_newer_version_has_edited_the_manifest_is_not_handed_over() -> None:
    job = preempted().edited(unknownField=1)
    assert reconcile(job.seen()).release == []


def test_a_job_that_must_not_be_preempted_fails() -> None:
    rules = {"rules": [{"action": "Fail", "reasons": ["QueuePreempted"]}]}
    job = a_job().with_spec(queue="lab-queue", failurePolicy=rules).running_attempt(1)
    job = replace(job.with_child(marked(suspended_job(job.attempt_manifest(1)))), pods=())
    plan = reconcile(job.seen())
    assert (plan.status.phase, len(plan.status.attempts)) == ("Failed", 1)


def until_preempted(world: World) -> None:
    """From apply to a preemption by Kueue."""
    world.settle()
    world.run_pods()
    world.end_all(0)
    world.settle()
    world.queue_admits(1)
    world.settle(30)
    world.queue_preempts(1)


def preempted_once(world: World) -> None:
    """From apply to success, with a preemption by Kueue in between."""
    until_preempted(world)
    world.settle()
    world.queue_admits(1)
    world.settle(30)
    world.end_all(0)
    world.settle()


def test_a_kill_after_any_write_costs_neither_the_place_nor_an_attempt() -> None:
    for kill_after in itertools.count():
        world = CrashingWorld.of(a_job().with_spec(queue="lab-queue").with_gpus(1, nodes=2))
        world.kill_after = kill_after
        preempted_once(world)
        attempts = world.status.attempts
        assert [(a.outcome, a.reason) for a in attempts] == [
            ("Preempted", "QueuePreempted"), ("Succeeded", "Completed"),
        ]  # fmt: skip
        assert attempts[0].job_uid == attempts[1].job_uid
        assert world.objects["ConfigMap", "reaching-a1"]["data"]["number"] == "2"
        assert (world.most_gangs, world.status.failed_attempts) == (1, 0)
        assert world.status.queue_seconds + world.status.gpu_seconds == 120
        if not world.killed:
            break
    assert kill_after > 10


def test_a_job_that_kueue_admits_while_no_operator_is_there_goes_on() -> None:
    world = World.of(a_job().with_spec(queue="lab-queue").with_gpus(1))
    until_preempted(world)
    world.queue_admits(1)
    world.restart_operator()
    world.settle(30)
    assert world.status.phase == "Running"
    world.end_all(0)
    assert world.settle().phase == "Succeeded"


def history(job: JobBuilder, *uids: str) -> list[Attempt]:
    """Attempts that Kueue has preempted, each with the Job of this uid."""
    ended = back_in_line().status.attempts[0]
    return [ended.model_copy(update={"number": number, "job_uid": uid}) for number, uid in enumerate(uids, 1)]


def ready_for_the_fourth(*uids: str) -> JobBuilder:
    """A job that Kueue has preempted three times, each time with the Job of this uid, before its fourth attempt."""
    job = preempted()
    third = job.status.attempts[0].model_copy(update={"number": 3, "job_uid": uids[-1]})
    return job.with_status(attempts=[*history(job, *uids[:-1]), third], current_attempt=3)


def test_the_objects_of_a_job_stay_for_as_long_as_attempts_take_it_over() -> None:
    uid = a_job().job_uid(1)
    job = ready_for_the_fourth(uid, uid, uid)
    plan = reconcile(job.with_child(marked(suspended_job(job.attempt_manifest(1)), 4)).seen())

    assert plan.status.current_attempt == 4
    assert plan.delete == []


def test_the_objects_of_a_former_job_are_deleted_when_another_is_taken_over_often() -> None:
    uid, other = a_job().job_uid(1), a_job().job_uid(2)
    job = ready_for_the_fourth(uid, other, other)
    held = marked(suspended_job(job.attempt_manifest(2)), 4)
    job = job.with_child(finished_job(job.attempt_manifest(1), "Failed", seconds_ago=60)).with_child(held)
    plan = reconcile(job.seen())

    assert plan.status.current_attempt == 4
    assert deletions(plan) == [("ConfigMap", "reaching-a1"), ("Service", "reaching-a1"), ("Job", "reaching-a1")]


def test_a_job_that_several_attempts_had_is_deleted_with_the_last_of_them() -> None:
    job = preempted()
    uid = a_job().job_uid(1)
    held = marked(finished_job(job.attempt_manifest(1), "Failed", seconds_ago=600), 2)
    past = [
        attempt.model_copy(update={"end_time": to_timestamp(ago(600)), "reason": "Suspended"})
        for attempt in history(job, uid, uid, "third", "fourth")
    ]
    plan = reconcile(job.with_status(attempts=past, current_attempt=4).with_child(held).seen())

    assert plan.status.current_attempt == 5
    assert deletions(plan) == [("ConfigMap", "reaching-a1"), ("Service", "reaching-a1"), ("Job", "reaching-a1")]


def waits_at(position: int | None) -> str | None:
    job = back_in_line()
    return reconcile(replace(job.seen(), queue_position=position)).status.queue_position


@pytest.mark.parametrize(
    ("position", "shown"),
    [(None, None), (1, "1"), (10, "10"), (11, "10+"), (29, "20+"), (99, "90+"), (100, "100+"), (4321, "4000+")],
)
def test_the_place_in_line_is_shown_the_coarser_the_longer_the_line(position: int | None, shown: str | None) -> None:
    assert waits_at(position) == shown


def test_a_job_that_runs_has_no_place_in_line() -> None:
    job = a_job().with_spec(queue="lab-queue").running_attempt(1).with_status(queue_position="1")
    assert reconcile(replace(job.seen(), queue_position=1)).status.queue_position is None
