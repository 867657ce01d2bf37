"""Objects of other people that have the names, or the labels, of a job's children."""

from typing import Any

import pytest

from integration.operator.stage import COMPLETED, OperatorProcess, Stage
from support.waiting import wait_for

pytestmark = pytest.mark.cluster

IDLE = {"restartPolicy": "Never", "containers": [{"name": "idle", "image": "idle"}]}


def put(stage: Stage, kind: str, name: str) -> Any:
    """Create somebody's own object, and return a function that reads it."""
    metadata = {"name": name}
    if kind == "ConfigMap":
        stage.core.create_namespaced_config_map(stage.namespace, {"metadata": metadata, "data": {"mine": "kept"}})
        return lambda: stage.core.read_namespaced_config_map(name, stage.namespace)
    if kind == "Service":
        spec = {"clusterIP": "None", "ports": [{"port": 80}], "selector": {"mine": "kept"}}
        stage.core.create_namespaced_service(stage.namespace, {"metadata": metadata, "spec": spec})
        return lambda: stage.core.read_namespaced_service(name, stage.namespace)
    spec = {"suspend": True, "template": {"spec": IDLE}}
    stage.batch.create_namespaced_job(stage.namespace, {"metadata": metadata, "spec": spec})
    return lambda: stage.batch.read_namespaced_job(name, stage.namespace)


def owned_content(thing: Any) -> Any:
    """What its author decides about an object. The Job controller writes the status of a Job."""
    content = thing.to_dict()
    metadata = {name: content["metadata"][name] for name in ("uid", "labels", "annotations", "owner_references")}
    return metadata, content.get("data"), content.get("spec")


@pytest.mark.parametrize(
    ("kind", "name", "condition"),
    [
        ("ConfigMap", "reaching-prepare-1", "Prepared"),
        ("Job", "reaching-prepare-1", "Prepared"),
        ("ConfigMap", "reaching-a1", "Running"),
        ("Service", "reaching-a1", "Running"),
        ("Job", "reaching-a1", "Running"),
    ],
)
def test_an_object_that_has_the_name_of_a_child_is_left_alone_and_named(
    stage: Stage, operator: OperatorProcess, kind: str, name: str, condition: str
) -> None:
    read = put(stage, kind, name)
    before = read()
    stage.apply("reaching", {"1": COMPLETED})

    def conflict() -> dict[str, Any] | None:
        conditions = stage.status("reaching").get("conditions", [])
        found = (c for c in conditions if (c["type"], c["reason"]) == (condition, "NameConflict"))
        return next(found, None)

    told = wait_for("the conflict to be told", conflict)
    assert f"there is a {kind} {name} that does not belong to this job; rename or delete" in told["message"]
    wait_for("the event", lambda: ("Warning", "NameConflict") in stage.events("reaching"))
    assert owned_content(read()) == owned_content(before)

    stage.kubectl("delete", kind.lower(), name)
    stage.wait_for_phase("reaching", "Succeeded")
    stage.kubectl("delete", "ptj", "reaching")


def test_an_object_that_has_the_name_of_a_child_outlives_the_job(stage: Stage, operator: OperatorProcess) -> None:
    read = put(stage, "ConfigMap", "reaching-a1")
    before = read()
    stage.apply("reaching", {"1": COMPLETED})
    wait_for("the conflict to be told", lambda: "NameConflict" in str(stage.status("reaching").get("conditions")))
    stage.kubectl("delete", "ptj", "reaching")
    stage.wait_until_gone("reaching")

    assert read().metadata.resource_version == before.metadata.resource_version
    assert read().data == {"mine": "kept"}


def test_a_copy_of_a_pod_with_its_labels_does_not_keep_a_job_running(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": {**COMPLETED, "after": 4}})
    stage.wait_until_acting("reaching", 1)
    (pod,) = stage.pods("reaching", 1)
    # The same labels and containers, and no owner. With the Job controller's own labels that would adopt the copy.
    labels = {name: value for name, value in pod.metadata.labels.items() if name.startswith("posefleet.io/")}
    copy = stage.api.sanitize_for_serialization(pod)
    # The port of rank 0 is taken on this node, so the copy does nothing.
    container = {**copy["spec"]["containers"][0], "command": ["/bin/sleep", "3600"]}
    spec = {**copy["spec"], "containers": [container], "nodeName": None}
    metadata = {"name": "copy", "labels": labels, "annotations": pod.metadata.annotations}
    stage.core.create_namespaced_pod(stage.namespace, {"metadata": metadata, "spec": spec})
    wait_for(
        "the copy to run", lambda: stage.core.read_namespaced_pod("copy", stage.namespace).status.phase == "Running"
    )
    stage.wait_for_phase("reaching", "Succeeded", 30)

    assert stage.core.read_namespaced_pod("copy", stage.namespace).status.phase == "Running"


def test_a_copy_of_a_job_is_neither_adopted_nor_deleted(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": {**COMPLETED, "after": 3}})
    stage.wait_until_acting("reaching", 1)
    job = stage.batch.read_namespaced_job("reaching-a1", stage.namespace)
    labels = {**job.metadata.labels, "posefleet.io/attempt": "5"}
    metadata = {"name": "reaching-a5", "labels": labels}
    copy = {"metadata": metadata, "spec": {"suspend": True, "template": {"spec": IDLE}}}
    stage.batch.create_namespaced_job(stage.namespace, copy)
    status = stage.wait_for_phase("reaching", "Succeeded", 30)

    assert [attempt["number"] for attempt in status["attempts"]] == [1]
    assert stage.batch.read_namespaced_job("reaching-a5", stage.namespace).metadata.deletion_timestamp is None


def test_finished_jobs_of_a_deleted_namesake_do_not_block_a_new_job(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": {"exit": 1, "after": 0.2}, "2": COMPLETED})
    stage.wait_for_phase("reaching", "Succeeded")
    stage.kubectl("delete", "ptj", "reaching", "--cascade=orphan")
    stage.wait_until_gone("reaching")
    for name in ("reaching-prepare-1", "reaching-a1"):
        stage.kubectl("delete", "job,configmap,service", name, "--ignore-not-found")
    assert stage.batch.read_namespaced_job("reaching-a2", stage.namespace).status.succeeded == 1
    stage.apply("reaching", {"1": COMPLETED})

    stage.wait_for_phase("reaching", "Succeeded")
