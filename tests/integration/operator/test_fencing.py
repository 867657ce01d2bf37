"""A leader that was paused for any time between two instructions never starts a second gang."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integration.operator.holding_proxy import HoldingProxy
from integration.operator.stage import OperatorProcess, Stage
from posefleet_operator.cluster.client import CONFIG_MAP, REQUEST_SECONDS, ApiError, Cluster
from posefleet_operator.cluster.election import NotLeading
from support.waiting import wait_for

pytestmark = pytest.mark.cluster

Start = Callable[..., OperatorProcess]


def creates(name: str) -> Callable[[str, str, bytes], bool]:
    return lambda method, path, body: method == "POST" and path.endswith("/jobs") and f'"{name}"'.encode() in body


def releases(name: str) -> Callable[[str, str, bytes], bool]:
    return lambda method, path, _: method == "PATCH" and path.endswith(f"/jobs/{name}")


def test_the_job_of_an_attempt_that_is_created_too_late_has_no_pods_and_goes_away(
    stage: Stage, start_operator: Start, tmp_path: Path
) -> None:
    with HoldingProxy(stage.cluster.kubeconfig, tmp_path) as proxy:
        old = start_operator(kubeconfig=str(proxy.kubeconfig), lease_seconds="2")
        old.wait_until_leading()
        proxy.hold(creates("reaching-a1"))
        stage.apply("reaching")
        wait_for("the request to be held", lambda: proxy.held, 30)
        old.send(signal.SIGSTOP)
        new = start_operator(lease_seconds="15")
        new.wait_until_leading()
        stage.wait_until_acting("reaching", 1)
        stage.patch("reaching", suspend=True)
        stage.wait_for_phase("reaching", "Suspended")
        wait_for("the first gang to be gone", lambda: "reaching-a1" not in stage.kubectl("get", "jobs", "-o", "name"))
        stage.patch("reaching", suspend=False)
        stage.wait_until_acting("reaching", 2)

        # Nobody deletes what comes too late, so that it would start if it could.
        new.send(signal.SIGSTOP)
        proxy.let_go()
        status, late = wait_for("the answer", lambda: proxy.held[0].answer)
        assert (status, late["metadata"]["name"]) == (201, "reaching-a1")
        wait_for("the Job controller to have looked at it", lambda: judged(stage, "reaching-a1"))
        assert stage.pods("reaching", 1) == []
        new.send(signal.SIGCONT)
        wait_for("the late Job to be gone", lambda: "reaching-a1" not in stage.kubectl("get", "jobs", "-o", "name"))

    assert stage.pods("reaching", 1) == []
    assert [attempt.get("outcome", "") for attempt in stage.status("reaching")["attempts"]] == ["Preempted", ""]


def judged(stage: Stage, job: str) -> Any:
    """What the Job controller says of a Job: that it is suspended, or how many pods it has."""
    status = stage.batch.read_namespaced_job(job, stage.namespace).status
    return status.conditions or status.active


def test_a_release_that_comes_too_late_starts_no_gang(stage: Stage, start_operator: Start, tmp_path: Path) -> None:
    with HoldingProxy(stage.cluster.kubeconfig, tmp_path) as proxy:
        old = start_operator(kubeconfig=str(proxy.kubeconfig), lease_seconds="2")
        old.wait_until_leading()
        proxy.hold(releases("reaching-a1"))
        stage.apply("reaching")
        wait_for("the request to be held", lambda: proxy.held, 30)
        old.send(signal.SIGSTOP)
        start_operator(lease_seconds="15").wait_until_leading()
        stage.wait_until_acting("reaching", 1)
        proxy.let_go()
        status, answer = wait_for("the answer", lambda: proxy.held[0].answer)

    assert (status, answer["reason"]) == (409, "Conflict")
    assert len(stage.pods("reaching", 1)) == 1


async def test_a_request_takes_no_longer_than_the_operator_leads(stage: Stage, tmp_path: Path) -> None:
    with HoldingProxy(stage.cluster.kubeconfig, tmp_path) as proxy:
        cluster = await Cluster.connect(str(proxy.kubeconfig))
        proxy.hold(lambda *_: True)
        try:
            async with asyncio.timeout(REQUEST_SECONDS / 2):
                with pytest.raises(ApiError, match="does not answer"):
                    await cluster.while_leading(lambda: 0.5).get(CONFIG_MAP, stage.namespace, "any")
        finally:
            await cluster.close()
            proxy.let_go()
    assert len(proxy.held) == 1


async def test_leadership_is_asked_for_once_more_when_a_request_is_sent(stage: Stage, tmp_path: Path) -> None:
    answers = [5.0]

    def seconds_left() -> float:
        if not answers:
            raise NotLeading("lost in between")
        return answers.pop()

    with HoldingProxy(stage.cluster.kubeconfig, tmp_path) as proxy:
        proxy.hold(lambda *_: True)
        cluster = await Cluster.connect(str(proxy.kubeconfig))
        with pytest.raises(NotLeading):
            await cluster.while_leading(seconds_left).get(CONFIG_MAP, stage.namespace, "any")
        await cluster.close()
    assert proxy.held == []
