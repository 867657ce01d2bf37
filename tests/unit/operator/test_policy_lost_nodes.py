"""Which pods are on nodes that do not answer, which are given up, and what is waited for."""

import pytest

from posefleet_operator.cluster.child_jobs import ChildJob
from posefleet_operator.policies.lost_nodes import gang_is_lost, is_given_up, node_lost, unreachable_pods, waited_for
from unit.operator.builders import NOW, PodBuilder, a_job, a_pod, ages_at, deleted_object

ON_A_LOST_NODE = a_pod().running().unreachable()


def test_a_pod_that_has_ended_is_not_unreachable() -> None:
    lost, ended = ON_A_LOST_NODE.seen, a_pod().ended(1).unreachable().seen
    assert ended.unreachable
    assert unreachable_pods([lost, ended]) == (lost,)


@pytest.mark.parametrize(
    ("pod", "given_up"),
    [
        (ON_A_LOST_NODE.deleted(600), True),
        (ON_A_LOST_NODE.deleted(5), False),
        (ON_A_LOST_NODE, False),
        (a_pod().running().deleted(600), False),
        (a_pod().ended(1).unreachable().deleted(600), False),
    ],
)
def test_pods_on_lost_nodes_are_given_up_long_after_they_were_deleted(pod: PodBuilder, given_up: bool) -> None:
    assert is_given_up(pod.seen, ages_at(NOW, pod.seen)) == given_up


@pytest.mark.parametrize(("pod", "waits"), [(ON_A_LOST_NODE.deleted(600), False), (ON_A_LOST_NODE.deleted(5), True)])
def test_a_deleted_job_is_waited_for_as_long_as_its_pods_are(pod: PodBuilder, waits: bool) -> None:
    job = ChildJob.read(deleted_object(a_job().attempt_manifest(1)))
    jobs, pods = waited_for([job], [pod.seen], ages_at(NOW, job, pod.seen))
    assert (jobs, pods) == (((job,), (pod.seen,)) if waits else ((), ()))


def test_a_job_that_nobody_has_deleted_is_waited_for_without_its_lost_pods() -> None:
    job, pod = ChildJob.read(a_job().attempt_manifest(1)), ON_A_LOST_NODE.deleted(600).seen
    assert waited_for([job], [pod], ages_at(NOW, job, pod)) == ((job,), ())


@pytest.mark.parametrize(
    ("pods", "lost"),
    [
        ((), False),
        ((a_pod().ended(1).deleted(5),), False),
        ((ON_A_LOST_NODE,), False),
        ((a_pod().running().deleted(5),), False),
        ((a_pod().running().deleted(600),), True),
        ((ON_A_LOST_NODE.deleted(5), a_pod(rank=1).ended(1)), True),
        ((ON_A_LOST_NODE.deleted(5), a_pod(rank=1).running()), False),
    ],
)
def test_a_gang_is_lost_when_all_that_may_run_of_it_was_deleted_and_is_not_seen_to_end(
    pods: tuple[PodBuilder, ...], lost: bool
) -> None:
    seen = [pod.seen for pod in pods]
    assert gang_is_lost(seen, ages_at(NOW, *seen)) == lost


def test_at_most_four_lost_pods_are_named() -> None:
    message = node_lost([a_pod(rank=rank).running().seen for rank in range(6)]).message
    assert [f"pod reaching-a1-{rank}-x" in message for rank in range(6)] == [True] * 4 + [False] * 2
