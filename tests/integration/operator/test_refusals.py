"""Children that the API server refuses: told at once, and tried again at once after an edit."""

import time
from typing import Any

import pytest

from integration.operator.stage import COMPLETED, OperatorProcess, Stage
from support.waiting import wait_for

pytestmark = pytest.mark.cluster

#: A refusal is told within this time, and a job goes on within this time after an edit.
AT_ONCE = 8


def told(stage: Stage, condition: str, words: str, seconds: float = AT_ONCE) -> dict[str, Any]:
    def found() -> dict[str, Any] | None:
        conditions = stage.status("reaching").get("conditions", [])
        return next((c for c in conditions if c["type"] == condition and words in c["message"]), None)

    def explain() -> str:
        return str(stage.status("reaching").get("conditions"))

    return wait_for(f"{words!r} in {condition}", found, seconds, explain=explain)


def quota(stage: Stage, **hard: str) -> None:
    limit = {"metadata": {"name": "limit"}, "spec": {"hard": hard}}
    stage.core.create_namespaced_resource_quota(stage.namespace, limit)

    def counts() -> Any:
        return stage.core.read_namespaced_resource_quota("limit", stage.namespace).status.hard

    wait_for("the quota to count", counts)


def test_pods_that_a_quota_refuses_are_told_at_once_and_an_edit_helps_at_once(
    stage: Stage, operator: OperatorProcess
) -> None:
    operator.wait_until_leading()
    quota(stage, **{"requests.nvidia.com/gpu": "1"})
    resources = {"nodes": 1, "gpusPerNode": 2, "cpusPerNode": 1, "memoryPerNode": "2Gi"}
    stage.apply("reaching", {"1": COMPLETED, "2": COMPLETED}, resources=resources)
    wait_for("the attempt", lambda: stage.status("reaching").get("attempts"))
    condition = told(stage, "Running", "exceeded quota")
    assert condition["reason"] == "Refused"
    assert "lower spec.resources, or ask for more quota" in condition["message"]
    assert ("Warning", "Refused") in stage.events("reaching")

    stage.patch("reaching", resources={"gpusPerNode": 1})
    begun = time.monotonic()
    stage.wait_for_phase("reaching", "Succeeded")
    assert time.monotonic() - begun < 2 * AT_ONCE


def test_a_job_that_a_quota_refuses_is_told_in_the_preparation(stage: Stage, operator: OperatorProcess) -> None:
    operator.wait_until_leading()
    quota(stage, **{"count/jobs.batch": "0"})
    stage.apply("reaching", {"1": COMPLETED})
    assert "ask for more quota" in told(stage, "Prepared", "exceeded quota")["message"]
    assert ("Warning", "Refused") in stage.events("reaching")

    stage.core.delete_namespaced_resource_quota("limit", stage.namespace)
    stage.patch("reaching", ttlSecondsAfterFinished=1000)
    begun = time.monotonic()
    stage.wait_for_phase("reaching", "Succeeded")
    assert time.monotonic() - begun < 2 * AT_ONCE


def test_a_missing_service_account_is_named_at_once(stage: Stage, operator: OperatorProcess) -> None:
    operator.wait_until_leading()
    manifest = stage.manifest("reaching", {"1": COMPLETED})
    pod = {**manifest["spec"]["pod"], "serviceAccountName": "not-there"}
    stage.apply("reaching", pod=pod)
    assert "create the service account" in told(stage, "Prepared", "not-there")["message"]
