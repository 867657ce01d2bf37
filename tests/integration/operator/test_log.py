"""The operator's log: one line for each failure, however long it lasts."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web
from kubernetes import client

from integration.operator.holding_proxy import HoldingProxy
from integration.operator.stage import OperatorProcess, Stage
from support.waiting import wait_for

pytestmark = pytest.mark.cluster

Start = Callable[..., OperatorProcess]


def failures(operator: OperatorProcess) -> list[str]:
    """The lines that say that something is wrong. A line that is no JSON, as of a traceback, is one of them."""
    assert all("exception" not in line for line in operator.lines())
    return [line["message"] for line in operator.lines() if line["level"] in {"WARNING", "ERROR", "CRITICAL"}]


def steal_the_lease(stage: Stage) -> None:
    leases = client.CoordinationV1Api(stage.api)
    stolen = {"spec": {"holderIdentity": "somebody-else", "leaseDurationSeconds": 3}}
    leases.patch_namespaced_lease("posefleet-operator", stage.namespace, stolen)


def test_a_lost_lease_is_one_line(stage: Stage, start_operator: Start) -> None:
    operator = start_operator(lease_seconds="3")
    operator.wait_until_leading()
    for number in range(3):
        stage.apply(f"reaching-{number}")
    stage.wait_until_acting("reaching-0", 1)
    before = failures(operator)
    steal_the_lease(stage)
    wait_for("the operator to stand by", lambda: operator.state() == "standby")
    wait_for("the operator to lead again", lambda: operator.state() == "leading")

    assert failures(operator)[len(before) :] == ["the lease is lost"]


def test_deleting_a_busy_job_is_no_failure(stage: Stage, operator: OperatorProcess) -> None:
    operator.wait_until_leading()
    for number in range(5):
        stage.apply(f"busy-{number}")
    for number in range(5):
        stage.kubectl("delete", "ptj", f"busy-{number}", "--wait=false")
    wait_for("all jobs to be gone", lambda: not stage.kubectl("get", "ptj,jobs,pods", "-o", "name"))

    assert failures(operator) == []


def test_an_error_that_lasts_is_one_line(stage: Stage, start_operator: Start, tmp_path: Path) -> None:
    def refused(method: str, path: str) -> web.Response | None:
        gone = method == "PATCH" and path.endswith("/status")
        return web.json_response({"reason": "InternalError", "message": "no leader"}, status=500) if gone else None

    with HoldingProxy(stage.cluster.kubeconfig, tmp_path) as proxy:
        operator = start_operator(kubeconfig=str(proxy.kubeconfig))
        operator.wait_until_leading()
        proxy.answer(refused)
        stage.apply("reaching")
        wait_for("a failure", lambda: failures(operator))
        tries = wait_for("more tries", lambda: errors(operator) >= 4 and errors(operator))
        assert tries >= 4
        assert failures(operator) == ["tried again until it works: 500 InternalError: no leader"]
        proxy.answer(lambda *_: None)
        stage.wait_for_phase("reaching", "Running")


def errors(operator: OperatorProcess) -> float:
    lines = [line for line in operator.metrics().splitlines() if line.startswith("posefleet_reconcile_errors_total")]
    return sum(float(line.split()[-1]) for line in lines)


def test_an_outage_of_the_api_server_is_told_once(stage: Stage, start_operator: Start) -> None:
    operator = start_operator()
    for number in range(3):
        stage.apply(f"reaching-{number}")
    stage.wait_until_acting("reaching-0", 1)
    before = failures(operator)
    stage.cluster.restart("apiserver")
    wait_for("the operator to lead", lambda: operator.state() == "leading", 60)
    wait_for("the jobs to be served", lambda: served(stage), 60)

    told = failures(operator)[len(before) :]
    assert told
    assert len(told) <= 5, "\n".join(told)
    assert len(set(told)) == len(told), "\n".join(told)


def served(stage: Stage) -> bool:
    try:
        stage.patch("reaching-1", ttlSecondsAfterFinished=int(time.time()))
        job = stage.job("reaching-1")
    except Exception:
        return False
    return bool(job["status"]["observedGeneration"] > 1)
