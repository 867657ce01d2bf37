"""Pods that still wait when their author changes what shapes them."""

from typing import Any

import pytest

from posefleet_api.job import parse_job
from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.fingerprints import part_fingerprints
from unit.operator.builders import a_job
from unit.operator.world import World


def with_waiting_gang(**defaults: Any) -> World:
    """A world in which the data are prepared and the first gang waits for a node."""
    world = World.of(a_job().with_policy(backoffSeconds=600).on_a_cluster_with(**defaults))
    world.settle()
    world.run_pods()
    world.end_all(0)
    world.settle()
    assert world.status.phase == "Starting"
    return world


def settle_deletions(world: World) -> None:
    world.settle()
    world.finish_deletions()
    world.settle()


@pytest.mark.parametrize(
    "edit",
    [
        {"resources": {"nodes": 2}},
        {"pod": {"nodeSelector": {"rack": "b"}}},
        {"queue": "lab-queue"},
        {"storage": {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "other"}}},
    ],
    ids=lambda edit: next(iter(edit)),
)
def test_a_gang_that_waits_is_replaced_at_once_and_for_nothing_when_its_author_changes_it(edit: Manifest) -> None:
    world = with_waiting_gang()
    world.edit(**edit)
    settle_deletions(world)

    first, second = world.status.attempts
    assert (first.outcome, first.reason) == ("Preempted", "Replaced")
    assert (second.number, second.outcome) == (2, None)
    assert world.status.failed_attempts == 0
    assert world.most_gangs == 1
    assert ("Job", "reaching-a1") not in world.objects
    assert ("Job", "reaching-a2") in world.objects


def test_a_gang_of_which_some_pods_run_follows_too() -> None:
    world = with_waiting_gang(resources={"nodes": 2})
    world.pods["reaching-a1-1"]["status"]["phase"] = "Unschedulable"  # it alone is passed over by the kubelets
    world.run_pods()
    world.settle()
    assert world.status.phase == "Starting"

    world.edit(resources={"nodes": 1})
    world.settle()
    assert world.status.attempts[0].reason == "Replaced"


def test_a_gang_that_runs_is_left_alone() -> None:
    world = with_waiting_gang()
    world.run_pods()
    world.settle()
    world.edit(resources={"nodes": 2})

    assert world.settle().phase == "Running"
    assert len(world.status.attempts) == 1


def test_a_gang_that_waits_is_left_alone_when_nothing_of_its_pods_was_changed() -> None:
    world = with_waiting_gang()
    world.edit(checkpoint={"intervalSeconds": 180}, failurePolicy={"maxFailures": 9})
    world.settle()

    assert len(world.status.attempts) == 1


def test_other_defaults_of_the_cluster_replace_nothing() -> None:
    world = with_waiting_gang(resources={"nodes": 2})
    world.restart_operator(resources={"nodes": 5}, pod={"nodeSelector": {"rack": "b"}})
    world.settle()

    assert len(world.status.attempts) == 1


def test_a_gang_of_an_earlier_version_is_left_alone() -> None:
    world = with_waiting_gang()
    del world.objects["Job", "reaching-a1"]["metadata"]["annotations"]["posefleet.io/spec-parts"]
    world.restart_operator()
    world.edit(resources={"nodes": 2})
    world.settle()

    assert len(world.status.attempts) == 1


def test_a_prepare_job_that_waits_is_replaced_when_its_author_changes_it() -> None:
    world = World.of(a_job())
    world.settle()
    world.edit(resources={"memoryPerNode": "8Gi"})
    settle_deletions(world)

    assert world.status.preparation.tries == 2
    assert world.status.preparation.failures == 0
    assert ("Job", "reaching-prepare-1") not in world.objects
    container = world.objects["Job", "reaching-prepare-2"]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["memory"] == "8Gi"


def test_a_prepare_job_that_runs_is_left_alone() -> None:
    world = World.of(a_job())
    world.settle()
    world.run_pods()
    world.edit(resources={"memoryPerNode": "8Gi"})
    world.settle()

    assert world.status.preparation.tries == 1
    assert world.running_pods() == ["reaching-prepare-1-0"]


def test_a_default_of_the_cluster_that_the_author_says_too_is_the_authors_word() -> None:
    def of(**spec: Any) -> dict[str, str]:
        return part_fingerprints(parse_job(a_job().with_spec(**spec).manifest()).spec)

    assert of() == of(pod={"labels": {}}) == of(suspend=True)
    assert of() != of(resources={"gpusPerNode": 1})
