"""Clocks that jump, and clocks of other machines that are minutes wrong, give no verdict."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from posefleet_api.constants import COMPONENT_PREPARE
from posefleet_operator.cluster.ages import Ages, Stopwatch, first_ages
from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.cluster.objects import to_timestamp
from posefleet_operator.observation import Observation
from posefleet_operator.policies.exit_outcomes import ending_of_gang
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import NOW, JobBuilder, PodBuilder, a_job, a_pod, ago, deleted_object, finished_job
from unit.operator.fake_cluster import replace_from_list
from unit.operator.plans import condition_of, deletions, kinds, reconciled

KEY = ("lab", "reaching")


class Operator:
    """An operator that has just started, whose wall clock and monotonic clock are set by the test."""

    def __init__(self) -> None:
        self.stopwatch = Stopwatch()

    def sees(self, job: JobBuilder, seconds: float = 0, wall: datetime | None = None) -> Observation:
        """What it observes so many seconds after its start; ``wall`` is its wall clock then."""
        now = wall or NOW + timedelta(seconds=seconds)
        seen = job.seen(now)
        facts = first_ages(seen.status.to_dict(), seen.child_jobs, seen.pods, now)
        return replace(seen, ages=self.stopwatch.update(facts, seconds))


def long_ended() -> JobBuilder:
    """A job whose last attempt ended long ago, so that the pause after it is over."""
    job = a_job().after_attempts("Preempted")
    ended = job.status.attempts[0].model_copy(update={"end_time": to_timestamp(ago(900))})
    return job.with_status(attempts=[ended])


def test_an_age_counts_from_when_a_fact_was_first_seen_and_not_by_the_wall_clock() -> None:
    stopwatch = Stopwatch()
    assert stopwatch.update({("created", "a"): 5.0}, 100) == Ages({("created", "a"): 5})
    later = stopwatch.update({("created", "a"): 86_400.0, ("deleted", "a"): 0.0}, 130)
    assert (later.of("created", "a"), later.of("deleted", "a"), later.of("ended", "a")) == (35, 0, 0)
    stopwatch.update({}, 140)
    assert stopwatch.update({("created", "a"): 0.0}, 150).of("created", "a") == 0


def test_what_this_operator_has_seen_begin_has_no_age_whatever_its_wall_clock_says() -> None:
    stopwatch = Stopwatch()
    stopwatch.update({("created", "uid-1"): 400.0}, 1000.0)
    ages = stopwatch.update({("created", "uid-1"): 400.0, ("ended", "uid-1"): 2000.0}, 1010.0)
    assert ages.of("ended", "uid-1") == 0.0
    assert ages.of("created", "uid-1") == 410.0
    assert stopwatch.update({("ended", "uid-1"): 2000.0}, 1020.0).of("ended", "uid-1") == 10.0


def test_timestamps_of_other_machines_count_less_five_minutes_and_those_of_the_status_as_they_are() -> None:
    job = a_job().after_attempts("Failed")
    pod = a_pod(job).running().deleted(400).seen
    ages = Ages(first_ages(job.status.to_dict(), [], [pod], NOW))
    assert (ages.of("deleted", pod.identity.uid), ages.of("created", pod.identity.uid)) == (100, 0)
    assert (ages.since(to_timestamp(ago(5))), ages.since(to_timestamp(ago(9))), ages.since(None)) == (5, 0, 0)


def test_a_jump_of_the_wall_clock_ends_no_job_by_its_deadline() -> None:
    operator, job = Operator(), a_job().with_spec(activeDeadlineSeconds=3600).running_attempt(1)
    assert reconcile(operator.sees(job)).status.phase == "Running"
    assert reconcile(operator.sees(job, 10, wall=NOW + timedelta(days=1))).status.phase == "Running"
    assert reconcile(operator.sees(job, 10, wall=NOW - timedelta(days=1))).status.phase == "Running"
    assert reconcile(operator.sees(job, 3600, wall=NOW - timedelta(days=1))).status.phase == "Failed"


def test_a_jump_of_the_wall_clock_deletes_no_finished_job() -> None:
    job = a_job().with_spec(ttlSecondsAfterFinished=600).after_attempts("Succeeded")
    job, operator = job.with_status(phase="Succeeded", completion_time=to_timestamp(NOW)), Operator()
    operator.sees(job)
    assert deletions(reconcile(operator.sees(job, 10, wall=NOW + timedelta(days=1)))) == []
    assert deletions(reconcile(operator.sees(job, 600))) == [("PoseTrainingJob", "reaching")]


def test_a_pause_is_no_longer_for_an_operator_whose_clock_is_behind_that_of_its_predecessor() -> None:
    operator, job = Operator(), a_job().with_policy(backoffSeconds=30).after_attempts("Failed")
    ahead = job.status.attempts[0].model_copy(update={"end_time": to_timestamp(ago(-600))})
    job = job.with_status(attempts=[ahead])
    assert reconcile(operator.sees(job)).requeue_after == pytest.approx(31.5, abs=1.5)
    assert reconcile(operator.sees(job, 29)).status.current_attempt == 1
    assert reconcile(operator.sees(job, 34)).status.current_attempt == 2


def test_a_pause_of_the_preparation_does_not_depend_on_the_wall_clock() -> None:
    operator, job = Operator(), reconciled(a_job())
    pod = a_pod(job, 1, component=COMPONENT_PREPARE).ended(1)
    job = reconciled(job.with_child(finished_job(job.prepare_manifest(1), "Failed")).with_pod(pod.manifest))
    operator.sees(job)
    assert reconcile(operator.sees(job, 1, wall=NOW + timedelta(days=1))).create == []
    assert kinds(reconcile(operator.sees(job, 100)))[-1] == ("Job", "reaching-prepare-2")


@pytest.mark.parametrize("skew", [-240, 0, 240])
def test_a_deleted_pod_is_overdue_when_this_operator_has_seen_it_go_for_three_minutes(skew: float) -> None:
    operator = Operator()
    job = long_ended().with_pod(a_pod(a_job(), 1).running().deleted(skew).manifest)
    reasons = [condition_of(reconcile(operator.sees(job, seconds)), "Running")[1] for seconds in (0, 179, 180)]
    assert reasons == ["StoppingOldPods", "StoppingOldPods", "WaitingForOldPods"]


@pytest.mark.parametrize("skew", [-240, 0, 240])
def test_unseen_pods_are_waited_for_ten_seconds_of_the_operators_own_time(skew: float) -> None:
    operator, job = Operator(), a_job().running_attempt(1)
    job = replace(job, pods=()).with_child(finished_job(job.attempt_manifest(1), "Failed", seconds_ago=skew))
    outcomes = [reconcile(operator.sees(job, s)).status.attempts[0].outcome for s in (0, 10, 11)]
    assert outcomes == [None, None, "Failed"]


def cause(*states: PodBuilder) -> str:
    """Why a gang ended whose pods the watch has shown in these states, one after the other."""
    cache = Cache()
    for version, state in enumerate(states, 100):
        cache.pods.apply("MODIFIED", state.at_version(version).manifest)
    return ending_of_gang(cache.pods.of(KEY), 2, job_gone=False).reason.name


@pytest.mark.parametrize("skew", [-3600, 0, 3600])
def test_the_cause_of_an_end_does_not_depend_on_the_clocks_of_two_nodes(skew: float) -> None:
    job = a_job().with_gpus(1, nodes=2)
    failed, running = a_pod(job, 1, 0).ended(1, seconds_ago=10 + skew), a_pod(job, 1, 1).running()
    stopped = a_pod(job, 1, 1).ended(75, seconds_ago=8)
    assert cause(running, failed, running.deleted(9), stopped.deleted(9)) == "Error"
    assert cause(running, running.deleted(9), failed, stopped.deleted(9)) == "PodDeleted"
    assert cause(running, running.disrupted(), failed, stopped.disrupted()) == "EvictionByEvictionAPI"


def test_ends_that_a_list_showed_together_have_no_order() -> None:
    job, cache = a_job().with_gpus(1, nodes=2), Cache()
    stopped = a_pod(job, 1, 1).ended(75, seconds_ago=60).deleted().at_version(10)
    failed = a_pod(job, 1, 0).ended(1, seconds_ago=5).at_version(20)
    replace_from_list(cache.pods, [stopped.manifest, failed.manifest], version=30)
    assert ending_of_gang(cache.pods.of(KEY), 2, job_gone=False).reason.name == "Error"


def test_pods_of_this_admission_count_however_wrong_the_clock_of_the_job_controller_is() -> None:
    job = a_job().running_attempt(1)
    child = finished_job(job.attempt_manifest(1), "Failed")
    child["status"]["startTime"] = to_timestamp(ago(-300))
    gone = a_pod(job).ended(78).deleted().seen.tombstone()
    seen = replace(job.with_child(child).seen(), pods=(gone,))
    assert reconcile(seen).status.attempts[0].outcome == "InvalidInput"


def test_a_gang_that_its_queue_admits_again_does_not_run_because_its_former_pods_did() -> None:
    job = reconciled(a_job().with_spec(queue="lab-queue").with_gpus(1, nodes=2).prepared())
    admitted = job.attempt_manifest(1)
    admitted["spec"]["suspend"] = False
    gone = [a_pod(job, 1, rank).ended(143).deleted().at_version(1).seen.tombstone() for rank in (0, 1)]
    renamed = [replace(pod, identity=replace(pod.identity, name="old", uid=f"old-{pod.rank}")) for pod in gone]
    seen = job.with_child(admitted).with_pod(a_pod(job, 1, 0).running().manifest).seen()
    plan = reconcile(replace(seen, pods=(*seen.pods, *renamed)))
    assert plan.status.attempts[0].running_time is None


def test_a_pod_of_the_same_name_begins_a_new_account() -> None:
    first = ChildPod.read(a_pod().ended(1).at_version(5).manifest)
    other = ChildPod.read(a_pod().running().at_version(9).manifest)
    other = replace(other, identity=replace(other.identity, uid="another"))
    assert (other.following(first, 9).first_seen, other.following(first, 9).end_seen) == (9, 0)
    job = ChildJob.read(deleted_object(a_job().attempt_manifest(1)))
    assert job.following(None, 3) == job
