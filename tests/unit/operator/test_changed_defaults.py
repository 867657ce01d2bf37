"""Defaults of a cluster that change while its jobs live."""

import json

from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.plan import find_condition
from posefleet_operator.reconcile import reconcile
from unit.operator.builders import JobBuilder, a_job
from unit.operator.plans import kinds, reconciled
from unit.operator.world import World

STORE = {"endpoint": "http://minio:9000", "credentialsSecretRef": {"name": "lab-s3"}}


def without_storage() -> JobBuilder:
    return a_job().with_spec(storage=None)


def spec_for_trainer(world: World, child: str) -> Manifest:
    spec: Manifest = json.loads(world.objects["ConfigMap", child]["data"]["job.json"])["spec"]
    return spec


def test_a_job_without_storage_lives_on_the_clusters() -> None:
    world = World.of(without_storage().on_a_cluster_with(storage=STORE))
    world.settle()
    world.run_pods()
    world.end_all(0)
    world.settle()

    assert spec_for_trainer(world, "reaching-prepare-1")["storage"]["endpoint"] == "http://minio:9000"
    assert spec_for_trainer(world, "reaching-a1")["storage"]["credentialsSecretRef"] == {"name": "lab-s3"}


def test_a_gang_that_runs_keeps_what_it_was_started_with() -> None:
    world = World.of(without_storage().on_a_cluster_with(storage=STORE, resources={"nodes": 2}))
    before = world.bring_up().status
    children = dict(world.objects)

    world.restart_operator(storage={"endpoint": "http://other:9000"}, resources={"nodes": 5, "gpusPerNode": 7})
    after = world.settle(60)

    assert after.phase == "Running"
    assert (after.gpus, after.attempts) == (before.gpus, before.attempts)
    assert world.objects == children
    assert len(world.running_pods()) == 2


def test_the_next_attempt_gets_the_new_defaults() -> None:
    world = World.of(a_job().with_policy(backoffSeconds=1).on_a_cluster_with(resources={"nodes": 2}))
    world.bring_up()
    world.restart_operator(resources={"nodes": 3})
    world.end_all(1)
    world.settle()
    world.settle(3)

    assert world.objects["Job", "reaching-a2"]["spec"]["completions"] == 3
    assert spec_for_trainer(world, "reaching-a2")["resources"]["nodes"] == 3


def test_what_is_prepared_is_not_prepared_again_for_other_defaults() -> None:
    prepared = without_storage().on_a_cluster_with(storage=STORE).prepared()
    changed = prepared.on_a_cluster_with(storage={"endpoint": "http://other:9000"}, resources={"nodes": 3})

    assert kinds(reconcile(reconciled(changed).seen()))[-1] == ("Job", "reaching-a1")


def test_a_job_that_failed_does_not_rise_again_because_defaults_changed() -> None:
    failed = (
        without_storage().on_a_cluster_with(storage=STORE).prepared()
        .with_status(phase="Failed", completion_time="2026-01-31T11:59:00Z")
        .with_condition("Failed", "True", "InvalidInput")
    )  # fmt: skip
    plan = reconcile(failed.on_a_cluster_with(storage={"endpoint": "http://other:9000"}).seen())

    assert plan.create == []
    assert plan.status.phase == "Failed"


def test_a_job_on_s3_on_a_cluster_without_a_store_fails_with_the_remedy_and_starts_over_when_there_is_one() -> None:
    world = World.of(without_storage())
    status = world.settle()
    failed = find_condition(status.conditions, "Failed")
    assert failed is not None
    assert (failed.reason, world.pods) == ("InvalidInput", {})
    assert "add storage.endpoint" in failed.message

    world.restart_operator(storage=STORE)
    assert world.settle().phase == "Preparing"


def test_a_job_whose_store_the_cluster_forgets_runs_on_and_starts_nothing_new() -> None:
    world = World.of(without_storage().with_policy(backoffSeconds=1).on_a_cluster_with(storage=STORE))
    world.bring_up()
    world.restart_operator(resources={"nodes": 1})
    assert world.settle(10).phase == "Running"

    world.end_all(1)
    world.settle()
    status = world.settle(3)
    running = find_condition(status.conditions, "Running")
    assert running is not None
    assert (running.reason, len(status.attempts)) == ("Incomplete", 1)
    assert "spec.storage: needed for s3:// URIs" in running.message
    assert world.reasons[-1] == "Incomplete"

    world.restart_operator(storage=STORE)
    assert len(world.settle(1).attempts) == 2
