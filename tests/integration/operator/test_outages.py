"""Operators that are killed, leaders that fall silent, and an API server that restarts."""

import signal
import time
from collections.abc import Callable

import pytest

from integration.operator.stage import COMPLETED, Stage
from support.operator_process import OperatorProcess
from support.waiting import wait_for

pytestmark = pytest.mark.cluster

Start = Callable[..., OperatorProcess]


def test_a_killed_operator_loses_nothing_and_tells_nothing_twice(stage: Stage, start_operator: Start) -> None:
    crash = {"exit": 1, "after": 3, "message": {"reason": "Error", "message": "boom"}}
    stage.apply("reaching", {"prepare": {"exit": 0, "after": 1}, "1": crash, "2": {**COMPLETED, "after": 2}})
    for pause in (0.5, 0.8, 1.3, 0.2, 2.1, 1.0):
        operator = start_operator(lease_seconds="1")
        operator.wait_until_leading()
        time.sleep(pause)
        operator.kill()
    start_operator(lease_seconds="1")
    status = stage.wait_for_phase("reaching", "Succeeded")

    assert [a["outcome"] for a in status["attempts"]] == ["Failed", "Succeeded"]
    assert status["failedAttempts"] == 1
    recorded = stage.events("reaching")
    for reason in ("PrepareStarted", "Prepared", "AttemptFailed", "AttemptSucceeded", "Succeeded"):
        assert [r for _, r in recorded].count(reason) == 1
    assert [r for _, r in recorded].count("AttemptStarted") == 2
    assert len(stage.batch.list_namespaced_job(stage.namespace).items) == 3


def test_what_ended_while_no_operator_ran_is_found_out(stage: Stage, start_operator: Start) -> None:
    operator = start_operator()
    stage.apply("reaching", {"1": {"exit": 1, "after": 2}, "2": COMPLETED})
    stage.wait_for_phase("reaching", "Running")
    operator.stop()
    wait_for("a failed pod", lambda: stage.batch.read_namespaced_job("reaching-a1", stage.namespace).status.failed)

    start_operator()
    status = stage.wait_for_phase("reaching", "Succeeded")
    assert [a["outcome"] for a in status["attempts"]] == ["Failed", "Succeeded"]


def collect_pods(stage: Stage, name: str, condition: str) -> None:
    """Wait until the first attempt's Job has finished, then remove its pods as their garbage collection does."""

    def finished() -> bool:
        conditions = stage.batch.read_namespaced_job(f"{name}-a1", stage.namespace).status.conditions or ()
        return any(c.type == condition and c.status == "True" for c in conditions)

    wait_for(f"the Job of {name} to be {condition}", finished)
    for pod in stage.pods(name, 1):
        stage.core.delete_namespaced_pod(pod.metadata.name, stage.namespace, grace_period_seconds=0)
    wait_for("the pods to be gone", lambda: not stage.pods(name, 1))


@pytest.mark.parametrize(
    ("code", "condition", "phase", "outcome"),
    [(0, "Complete", "Succeeded", "Succeeded"), (78, "Failed", "Failed", "InvalidInput")],
)
def test_the_end_of_an_attempt_is_known_although_its_pods_were_collected_while_no_operator_ran(
    stage: Stage, start_operator: Start, code: int, condition: str, phase: str, outcome: str
) -> None:
    operator = start_operator()
    stage.apply("reaching", {"1": {"exit": code, "after": 3}, "2": COMPLETED}, nodes=2)
    stage.wait_for_phase("reaching", "Running")
    operator.stop()
    collect_pods(stage, "reaching", condition)

    start_operator()
    status = stage.wait_for_phase("reaching", phase)
    assert [a["outcome"] for a in status["attempts"]] == [outcome]


def test_a_standby_takes_over_within_15_seconds_of_a_leaders_death(stage: Stage, start_operator: Start) -> None:
    leader = start_operator()
    leader.wait_until_leading()
    standby = start_operator()
    wait_for("a standby", lambda: standby.state() == "standby")
    leader.kill()
    begun = time.monotonic()
    standby.wait_until_leading()

    assert time.monotonic() - begun < 15
    stage.apply("reaching", {"1": COMPLETED})
    stage.wait_for_phase("reaching", "Succeeded")


def test_a_leader_that_stops_cleanly_hands_over_at_once(stage: Stage, start_operator: Start) -> None:
    leader = start_operator()
    leader.wait_until_leading()
    standby = start_operator()
    wait_for("a standby", lambda: standby.state() == "standby")
    leader.stop()
    begun = time.monotonic()
    standby.wait_until_leading()

    assert time.monotonic() - begun < 6


def test_a_leader_that_was_frozen_does_not_act_when_it_thaws(stage: Stage, start_operator: Start) -> None:
    frozen = start_operator(lease_seconds="3")
    frozen.wait_until_leading()
    other = start_operator(lease_seconds="15")
    frozen.send(signal.SIGSTOP)
    other.wait_until_leading()
    stage.apply("reaching", {"1": {**COMPLETED, "after": 3}})
    stage.wait_for_phase("reaching", "Running")
    frozen.send(signal.SIGCONT)
    stage.wait_for_phase("reaching", "Succeeded")

    wait_for("a standby", lambda: frozen.state() == "standby")
    acted = [line for line in frozen.lines() if line["logger"] == "posefleet_operator.executor"]
    assert acted == []


def test_an_operator_survives_a_restart_of_the_api_server(stage: Stage, operator: OperatorProcess) -> None:
    stage.apply("reaching", {"1": {**COMPLETED, "after": 10}})
    stage.wait_for_phase("reaching", "Running")
    stage.cluster.restart("apiserver")
    status = wait_for("the end of the job", lambda: _finished(stage, "reaching"))

    assert [a["outcome"] for a in status["attempts"]] == ["Succeeded"]
    assert operator.running
    stage.apply("second", {"1": COMPLETED})
    stage.wait_for_phase("second", "Succeeded")


def _finished(stage: Stage, name: str) -> dict | None:
    try:
        status = stage.status(name)
    except Exception:
        return None  # the API server is on its way up
    return status if status.get("phase") in {"Succeeded", "Failed"} else None
