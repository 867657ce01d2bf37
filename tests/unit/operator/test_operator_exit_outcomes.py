"""How attempts ended, from what their pods leave behind."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from posefleet_api.outcomes import TerminationMessage
from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.cluster.child_pods import ChildPod
from posefleet_operator.policies.exit_outcomes import (
    ending_of_disrupted_gang,
    ending_of_gang,
    ending_of_pod,
    gang_has_ended,
    termination_message,
)
from unit.operator.builders import NOW, PodBuilder, a_job, a_pod, ages_at, deleted_object, finished_job

BEYOND = 'Usage of EmptyDir volume "posefleet-cache" exceeds the limit "5Gi". '
NAN = TerminationMessage(reason="NonFiniteLoss", message="NaN")


def rank(number: int) -> PodBuilder:
    return a_pod(a_job().with_gpus(1, nodes=3), 1, number)


def gang(*pods: PodBuilder, nodes: int = 3, job_gone: bool = False) -> tuple[str, str]:
    ending = ending_of_gang([pod.seen for pod in pods], nodes, job_gone)
    return ending.outcome, ending.reason.name


@pytest.mark.parametrize(
    ("pod", "outcome", "reason"),
    [
        (rank(0).ended(0), "Succeeded", "Completed"),
        (rank(0).ended(78), "InvalidInput", "InvalidInput"),
        (rank(0).ended(75), "Preempted", "Preempted"),
        (rank(0).ended(75).disrupted(), "Preempted", "EvictionByEvictionAPI"),
        (rank(0).ended(75).deleted(), "Preempted", "PodDeleted"),
        (rank(0).ended(69), "Preempted", "StoreUnreachable"),
        (rank(0).ended(76), "Failed", "PeerLost"),
        (rank(0).ended(1), "Failed", "Error"),
        (rank(0).ended(137), "Failed", "Killed"),
        (rank(0).ended(137, reason="OOMKilled"), "Failed", "OOMKilled"),
        (rank(0).ended(137).disrupted(), "Preempted", "EvictionByEvictionAPI"),
        (rank(0).ended(137).deleted(), "Preempted", "PodDeleted"),
        (rank(0).ended(143).deleted(), "Preempted", "PodDeleted"),
        (rank(0).ended(143), "Failed", "Error"),
        (rank(0).ended(255, reason="Unknown"), "Preempted", "PodLost"),
        (rank(0).ended(137, reason="ContainerStatusUnknown"), "Preempted", "PodLost"),
        (rank(0).lost("NodeLost"), "Preempted", "NodeLost"),
        (rank(0).lost("UnexpectedAdmissionError", "no GPU"), "Preempted", "UnexpectedAdmissionError"),
        (rank(0).lost("Evicted", BEYOND), "Failed", "Evicted"),
        (rank(0).lost("Evicted", "The node was low on resource: memory."), "Preempted", "Evicted"),
        (
            rank(0).lost(
                "Evicted",
                "The node was low on resource: memory. Container trainer was using 9Gi, which exceeds "
                "its request of 8Gi.",
            ),
            "Preempted",
            "Evicted",
        ),
        (rank(0).ended(137).evicted(BEYOND), "Failed", "Evicted"),
        (rank(0).ended(75).evicted(BEYOND), "Failed", "Evicted"),
        (rank(0).ended(75).deleted().evicted(BEYOND), "Failed", "Evicted"),
        (rank(0).ended(0).evicted(BEYOND), "Succeeded", "Completed"),
        (rank(0).ended(1, NAN).evicted(BEYOND), "Failed", "NonFiniteLoss"),
        (
            rank(0).ended(137).evicted('Container trainer exceeded its local ephemeral storage limit "1Gi". '),
            "Failed",
            "Evicted",
        ),
        (
            rank(0)
            .ended(75)
            .evicted("The node was low on resource: ephemeral-storage.")
            .disrupted("TerminationByKubelet"),
            "Preempted",
            "TerminationByKubelet",
        ),
        (rank(0).ended(1, NAN), "Failed", "NonFiniteLoss"),
    ],
)
def test_a_pods_end_has_an_outcome_and_a_reason(pod: PodBuilder, outcome: str, reason: str) -> None:
    ending = ending_of_pod(pod.seen)

    assert (ending.outcome, ending.reason.name) == (outcome, reason)
    assert ending.message


def test_a_killed_pod_is_explained() -> None:
    assert "killed (exit 137)" in ending_of_pod(rank(0).ended(137).seen).message
    assert "memoryPerNode" in ending_of_pod(rank(0).ended(137, reason="OOMKilled").seen).message


def test_a_pod_that_outgrew_its_cache_is_told_what_to_raise() -> None:
    message = ending_of_pod(rank(0).ended(137).evicted(BEYOND).seen).message
    assert 'exceeds the limit "5Gi"; raise resources.cachePerNode' in message


def test_what_a_trainer_says_that_is_no_json_is_quoted_by_its_last_line() -> None:
    text = "Traceback\n  File ...\nValueError: boom"
    assert ending_of_pod(rank(0).ended(1, text).seen).message.endswith("ValueError: boom")


def test_last_words_of_a_newer_trainer_are_understood() -> None:
    text = '{"reason": "NonFiniteLoss", "message": "NaN", "mood": "bad", "progress": {"step": 5, "colour": "blue"}}'
    assert ending_of_pod(rank(0).ended(1, text).seen).reason.name == "NonFiniteLoss"


@pytest.mark.parametrize("progress", [{"step": 10**30}, {"step": -1}, {"etaSeconds": 10**30}])
def test_numbers_that_no_status_can_hold_are_not_taken_in(progress: dict[str, int]) -> None:
    text = json.dumps({"reason": "Error", "message": "boom", "progress": progress})

    assert termination_message(rank(0).ended(1, text).seen) is None
    assert ending_of_pod(rank(0).ended(1, text).seen).outcome == "Failed"


def test_a_gang_succeeds_when_every_pod_has() -> None:
    assert gang(rank(0).ended(0), rank(1).ended(0), rank(2).ended(0))[0] == "Succeeded"
    assert gang(rank(0).ended(0), rank(1).ended(0))[0] != "Succeeded"


def test_peer_lost_is_never_the_cause_when_another_pod_knows_more() -> None:
    assert gang(rank(0).ended(76, seconds_ago=9), rank(1).ended(137, seconds_ago=8)) == ("Failed", "Killed")


def test_ranks_that_only_lost_a_deleted_peer_were_preempted() -> None:
    assert gang(rank(0).ended(76), rank(1).ended(76)) == ("Preempted", "PodDeleted")
    assert gang(rank(0).ended(76), job_gone=True) == ("Preempted", "JobDeleted")


def test_ranks_that_all_lost_each_other_failed() -> None:
    assert gang(rank(0).ended(76), rank(1).ended(76), rank(2).ended(76)) == ("Failed", "PeerLost")


def test_ranks_that_waited_for_a_node_in_vain_say_which_and_why() -> None:
    lost = TerminationMessage(reason="PeerLost", message="rank 1 of 2 has not come within 600 s")
    never = rank(1).unschedulable("0/2 nodes are available: 2 Insufficient nvidia.com/gpu.")
    ending = ending_of_gang([rank(0).ended(76, lost).seen, never.seen.tombstone()], 2, job_gone=False)

    assert (ending.outcome, ending.reason.name) == ("Preempted", "GangIncomplete")
    assert ending.message == (
        "pod reaching-a1-1-x never started (0/2 nodes are available: 2 Insufficient nvidia.com/gpu); "
        "rank 1 of 2 has not come within 600 s"
    )


def test_a_gang_without_all_its_nodes_that_ends_otherwise_says_how() -> None:
    never = rank(1).unschedulable("no room").seen.tombstone()
    endings = {
        "Killed": [rank(0).ended(76).seen, never, rank(2).ended(137).seen],
        "NodeLost": [rank(0).ended(76).seen, never, rank(2).lost("NodeLost").seen],
        "PodDeleted": [rank(0).ended(76).seen, rank(1).running().seen.tombstone()],
    }
    assert {reason: ending_of_gang(pods, 3, job_gone=False).reason.name for reason, pods in endings.items()} == {
        reason: reason for reason in endings
    }


def test_a_pod_that_outgrew_its_cache_is_the_cause_although_all_stop_together() -> None:
    stopped = rank(1).ended(75, seconds_ago=5)
    assert gang(rank(0).ended(75, seconds_ago=5).evicted(BEYOND), stopped) == ("Failed", "Evicted")


def test_the_first_failure_is_the_cause_and_pods_stopped_for_it_are_not() -> None:
    stopped = rank(1).ended(75, seconds_ago=3).deleted(5)
    assert gang(rank(0).ended(1, seconds_ago=5), stopped) == ("Failed", "Error")
    assert gang(rank(0).ended(1, seconds_ago=3), stopped) == ("Failed", "Error")


def test_a_preemption_that_breaks_another_rank_stays_a_preemption() -> None:
    assert gang(rank(0).ended(1, seconds_ago=2), rank(1).ended(75, seconds_ago=5).deleted())[0] == "Preempted"
    assert gang(rank(0).ended(1, seconds_ago=5), rank(1).ended(75, seconds_ago=5).disrupted())[0] == "Preempted"


def test_invalid_input_of_any_rank_decides() -> None:
    assert gang(rank(0).ended(1, seconds_ago=9), rank(1).ended(78, seconds_ago=1))[0] == "InvalidInput"


def test_a_gang_without_any_trace_was_deleted() -> None:
    assert gang() == ("Preempted", "PodDeleted")
    assert gang(job_gone=True) == ("Preempted", "JobDeleted")


def has_ended(job: ChildJob | None, *pods: ChildPod, at: datetime = NOW) -> bool:
    return gang_has_ended(job, pods, ages_at(at, *([job] if job is not None else []), *pods))


def test_a_gang_has_ended_when_its_job_and_all_its_pods_have() -> None:
    job = a_job()
    running = ChildJob.read(job.attempt_manifest(1))
    failed = ChildJob.read(finished_job(job.attempt_manifest(1), "Failed"))
    deleting = ChildJob.read(deleted_object(finished_job(job.attempt_manifest(1), "Failed")))
    alive, dead = a_pod(job).running().seen, a_pod(job).ended(1).seen

    assert not has_ended(running, dead)
    assert not has_ended(failed, alive)
    assert not has_ended(None, alive)
    assert not has_ended(deleting, dead)
    assert has_ended(failed, dead)
    assert has_ended(None)


def test_a_finished_job_whose_pods_were_not_seen_is_waited_for_a_while() -> None:
    job = ChildJob.read(finished_job(a_job().attempt_manifest(1), "Failed", seconds_ago=1))
    assert not has_ended(job)
    assert has_ended(job, at=NOW + timedelta(seconds=20))


def test_only_a_pod_that_its_kubelet_evicted_has_exceeded_a_limit() -> None:
    said = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi"
    assert gang(rank(0).evicted(said), nodes=1) == ("Failed", "Evicted")
    assert gang(rank(0).lost("NodeShutdown", said), nodes=1)[0] == "Preempted"


FAILED = rank(0).ended(1, seconds_ago=5)
STORE = rank(1).ended(69, seconds_ago=5)
STOPPED = rank(1).ended(75, seconds_ago=5)


@pytest.mark.parametrize(
    ("pods", "outcome", "reason"),
    [
        ((FAILED, STOPPED.deleted()), "Failed", "Error"),
        ((FAILED, STOPPED), "Preempted", "Preempted"),
        ((FAILED, STOPPED.deleted().disrupted()), "Preempted", "EvictionByEvictionAPI"),
        ((FAILED, STORE), "Preempted", "StoreUnreachable"),
        ((FAILED, STORE.deleted()), "Preempted", "StoreUnreachable"),
        ((rank(0).ended(75, seconds_ago=5).deleted(), rank(1).ended(1, seconds_ago=5)), "Failed", "Error"),
        ((rank(0).ended(69, seconds_ago=5), STOPPED), "Preempted", "Preempted"),
        ((rank(0).ended(75, seconds_ago=5).deleted(), STORE), "Preempted", "StoreUnreachable"),
        ((rank(0).ended(75, seconds_ago=5), STORE), "Preempted", "Preempted"),
        ((rank(0).ended(75, seconds_ago=5).disrupted(), STORE), "Preempted", "EvictionByEvictionAPI"),
    ],
)
def test_of_pods_that_end_in_the_same_second_the_one_that_explains_most_is_the_cause(
    pods: tuple[PodBuilder, ...], outcome: str, reason: str
) -> None:
    assert gang(*pods) == (outcome, reason)
    assert gang(*reversed(pods)) == (outcome, reason)


def test_of_equal_endings_that_of_the_lowest_rank_is_reported() -> None:
    said = [TerminationMessage(reason="Error", message=f"rank {number} broke") for number in range(3)]
    pods = [rank(number).ended(1, said[number], seconds_ago=5).seen for number in (2, 0, 1)]
    assert ending_of_gang(pods, 3, job_gone=False).message == "rank 0 broke"


def without_node(pod: PodBuilder) -> PodBuilder:
    return PodBuilder({**pod.manifest, "spec": {}})


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        (rank(0).ended(137), "pod reaching-a1-0-x was killed (exit 137) on node node-1; out of memory?"),
        (without_node(rank(0).ended(137)), "pod reaching-a1-0-x was killed (exit 137); out of memory?"),
        (
            rank(0).ended(255, reason="Unknown"),
            "the kubelet of node node-1 lost the container of pod reaching-a1-0-x, as when a node reboots",
        ),
        (
            without_node(rank(0).ended(255, reason="Unknown")),
            "the kubelet lost the container of pod reaching-a1-0-x, as when a node reboots",
        ),
        (
            rank(0).ended(75).disrupted(),
            "pod reaching-a1-0-x was removed from node node-1 (EvictionByEvictionAPI: node is drained)",
        ),
        (without_node(rank(0).lost("Shutdown", " no power ")), "pod reaching-a1-0-x was removed (no power)"),
        (rank(0).ended(75).deleted(), "pod reaching-a1-0-x was deleted from outside"),
        (rank(0).ended(75), "pod reaching-a1-0-x was asked to stop"),
        (rank(0).ended(0), "done"),
        (rank(0).ended(78), "the manifest or the dataset is wrong"),
        (rank(0).ended(69), "the object store did not answer"),
        (rank(0).ended(76), "the other ranks went away"),
        (rank(0).ended(76, "a\n"), "the other ranks went away: a"),
        (rank(0).ended(1), "pod reaching-a1-0-x ended with exit code 1"),
        (rank(0).ended(1, "  \n "), "pod reaching-a1-0-x ended with exit code 1"),
        (rank(0).ended(1, "a" * 501), "pod reaching-a1-0-x ended with exit code 1: " + "a" * 500),
        (rank(0).ended(1, TerminationMessage(reason="Error")), "pod reaching-a1-0-x ended with exit code 1"),
    ],
)
def test_a_message_says_what_happened_to_the_pod_and_on_which_node(pod: PodBuilder, message: str) -> None:
    assert ending_of_pod(pod.seen).message == message


def test_a_pod_that_vanished_was_deleted_unless_the_cluster_says_why() -> None:
    vanished = ending_of_pod(rank(0).running().seen.tombstone())
    assert (vanished.reason.name, vanished.message) == ("PodDeleted", "pod reaching-a1-0-x was deleted from outside")
    drained = ending_of_pod(rank(0).running().disrupted().seen.tombstone())
    assert (drained.outcome, drained.reason.name) == ("Preempted", "EvictionByEvictionAPI")
    assert ending_of_pod(rank(0).lost("").seen).reason.name == "PodLost"
    assert ending_of_pod(rank(0).lost("NodeLost").deleted().seen).reason.name == "NodeLost"
    assert ending_of_pod(rank(0).lost("Shutdown").deleted().seen).reason.name == "PodDeleted"


@pytest.mark.parametrize(
    ("absent", "started"),
    [
        (rank(1), "pod reaching-a1-1-x never started"),
        (rank(1).waiting("ErrImagePull", " no such image. "), "pod reaching-a1-1-x never started (no such image)"),
    ],
)
def test_a_rank_that_never_started_is_named_with_what_the_kubelet_said(absent: PodBuilder, started: str) -> None:
    ending = ending_of_gang([rank(0).ended(76).seen, absent.seen.tombstone()], 2, job_gone=False)
    assert (ending.reason.name, ending.message) == ("GangIncomplete", f"{started}; the other ranks went away")


def test_ranks_that_were_never_created_are_counted_unless_the_gang_ran_or_its_job_is_gone() -> None:
    lost = [rank(0).ended(76).seen]
    ending = ending_of_gang(lost, 3, job_gone=False, ran=False)
    assert (ending.outcome, ending.reason.name) == ("Preempted", "GangIncomplete")
    assert ending.message == ("pods that were never created (does a quota refuse them?): 2; the other ranks went away")
    assert ending_of_gang(lost, 3, job_gone=False, ran=True).reason.name == "PodDeleted"
    assert ending_of_gang(lost, 3, job_gone=True, ran=False).reason.name == "JobDeleted"
    assert ending_of_gang(lost, 1, job_gone=False, ran=False).reason.name == "PeerLost"


def test_of_a_disrupted_gang_the_pods_that_still_train_say_nothing() -> None:
    stuck, training = rank(0).running().disrupted().seen, rank(1).running().seen
    failed = rank(2).ended(1, seconds_ago=5).seen
    assert ending_of_disrupted_gang([training, failed], 3) is None
    for pods, reason in (([stuck, training], "EvictionByEvictionAPI"), ([stuck, training, failed], "Error")):
        ending = ending_of_disrupted_gang(pods, 3)
        assert ending is not None
        assert ending.reason.name == reason


def test_endings_that_nobody_saw_come_last() -> None:
    untimed = rank(0).ended(137).seen
    untimed = replace(untimed, end_seen=0)
    broken = rank(1).ended(1, seconds_ago=2).seen
    assert ending_of_gang([untimed, broken], 3, job_gone=False).reason.name == "Error"
    assert ending_of_gang([untimed, rank(1).lost("NodeLost").seen], 3, job_gone=False).reason.name == "Killed"


def test_unseen_pods_of_a_finished_job_are_waited_for_ten_seconds() -> None:
    def ended(seconds_ago: float, pods: int) -> bool:
        job = finished_job(a_job().attempt_manifest(1), "Failed", pods=pods, seconds_ago=seconds_ago)
        return has_ended(ChildJob.read(job), rank(0).ended(1).seen)

    assert [ended(1, 0), ended(1, 1), ended(1, 2), ended(10, 2), ended(11, 2)] == [True, True, False, False, True]
