"""Children that the API server refuses: told at once, and tried again at once after an edit."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from integration.operator.holding_proxy import HoldingProxy
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


def test_a_job_whose_status_is_refused_is_told_once_and_can_be_suspended(
    stage: Stage, start_operator: Callable[..., OperatorProcess], tmp_path: Path
) -> None:
    def refused(method: str, path: str) -> web.Response | None:
        if method != "PATCH" or not path.endswith("/status"):
            return None
        message = "status.fieldOfTomorrow: Required value"
        return web.json_response({"reason": "Invalid", "message": message}, status=422)

    with HoldingProxy(stage.cluster.kubeconfig, tmp_path) as proxy:
        operator = start_operator(kubeconfig=str(proxy.kubeconfig))
        stage.apply("reaching")
        stage.wait_until_acting("reaching", 1)
        proxy.answer(refused)
        stage.patch("reaching", suspend=True)
        wait_for("the event", lambda: ("Warning", "NotUnderstood") in stage.events("reaching"))
        wait_for("the gang to be gone", lambda: "reaching-a1" not in stage.kubectl("get", "jobs", "-o", "name"))
        wait_for("another try", lambda: 'errors_total{reason="StatusRefused"} 2.0' in operator.metrics())
        told = [line["message"] for line in operator.lines() if "Required value" in line["message"]]
        assert told[0] == "status.fieldOfTomorrow: Required value"
        # The refusal, and the event that tells of it.
        assert len(set(told)) == len(told) == 2, operator.log.read_text()

        proxy.answer(lambda *_: None)
        assert stage.wait_for_phase("reaching", "Suspended")["attempts"][0]["reason"] == "Suspended"
