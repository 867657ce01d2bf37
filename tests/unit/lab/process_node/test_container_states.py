"""Restarts of containers, and the records of containers that an earlier agent ran."""

from datetime import UTC, datetime

import pytest

from posefleet_lab.process_node.containers.states import (
    Backoff,
    Waiting,
    lost_records,
    mark_for_restart,
    new_records,
    should_restart,
    was_started,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "code", "restarts"),
    [("Always", 0, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_restart_policy(policy, code, restarts):
    assert should_restart(policy, code) is restarts


def test_restarts_back_off_as_a_kubelets():
    backoff = Backoff()
    assert [backoff.delay_after(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert backoff.delay_after(601) == 0


def pod_left_behind(policy, *states):
    names = [f"c{number}" for number in range(len(states))]
    return {
        "spec": {"restartPolicy": policy, "containers": [{"name": name, "image": "i"} for name in names]},
        "status": {
            "containerStatuses": [
                {"name": name, "restartCount": 2, "state": state} for name, state in zip(names, states, strict=True)
            ]
        },
    }


RUNNING = {"running": {"startedAt": "2026-01-02T03:04:05Z"}}


DONE = {"terminated": {"exitCode": 0, "reason": "Completed"}}


def test_what_ran_when_the_agent_ended_is_lost_with_code_255():
    pod = pod_left_behind("Never", RUNNING, DONE)
    assert was_started(pod)
    _, (lost, done) = lost_records(pod)
    assert (lost.state.exit_code, lost.state.reason, lost.state.started_at) == (255, "Unknown", NOW)
    assert done.state.exit_code == 0


def test_lost_containers_come_back_as_their_policy_says():
    _, records = lost_records(pod_left_behind("OnFailure", RUNNING, DONE))
    mark_for_restart(records, "OnFailure")
    assert isinstance(records[0].state, Waiting)
    assert (records[0].restarts, records[0].last.exit_code) == (3, 255)
    assert (records[1].restarts, records[1].state.exit_code) == (2, 0)


def test_a_new_pod_waits():
    pod = {"spec": {"containers": [{"name": "a", "image": "i"}]}}
    assert not was_started(pod)
    assert new_records(pod)[1][0].state == Waiting("ContainerCreating")
