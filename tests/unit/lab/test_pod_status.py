"""Phases, conditions and restarts."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from posefleet_lab.api_client import ApiError
from posefleet_lab.process_node.containers.states import (
    Backoff,
    ContainerRecord,
    Running,
    Terminated,
    Waiting,
    bring_back,
    lost_records,
    new_records,
    should_restart,
    was_started,
)
from posefleet_lab.process_node.pods.status import PodState, StatusWriter, conditions, phase

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def waiting(reason="ContainerCreating"):
    return ContainerRecord("main", "image", Waiting(reason))


def running(ready=True):
    return ContainerRecord("main", "image", Running(NOW), ready=ready, started=True)


def ended(code=0, name="main"):
    return ContainerRecord(name, "image", Terminated(code, "Error" if code else "Completed", NOW, NOW))


def backing_off():
    return ContainerRecord("main", "image", Waiting("CrashLoopBackOff"), last=Terminated(1, "Error", NOW, NOW))


def sidecar(state, started):
    return ContainerRecord("side", "image", state, started=started, ready=started, sidecar=True)


@pytest.mark.parametrize(
    ("policy", "inits", "mains", "expected"),
    [
        ("Never", [], [waiting()], "Pending"),
        ("Never", [], [running()], "Running"),
        ("Never", [], [running(), waiting()], "Pending"),
        ("Never", [], [ended(0)], "Succeeded"),
        ("Never", [], [ended(0), ended(1)], "Failed"),
        ("Never", [], [ended(1), running()], "Running"),
        ("OnFailure", [], [backing_off()], "Running"),
        ("OnFailure", [], [ended(0)], "Succeeded"),
        ("Always", [], [ended(0)], "Running"),
        ("Never", [waiting()], [waiting("PodInitializing")], "Pending"),
        ("Never", [ended(0)], [running()], "Running"),
        ("Never", [ended(3)], [waiting("PodInitializing")], "Failed"),
        ("OnFailure", [ended(3)], [waiting("PodInitializing")], "Pending"),
        ("Never", [sidecar(Running(NOW), True)], [ended(0)], "Running"),
        ("Never", [sidecar(Waiting("x"), False)], [waiting("PodInitializing")], "Pending"),
        ("Never", [sidecar(Terminated(0, "Completed", NOW, NOW), False)], [ended(0)], "Succeeded"),
        ("Never", [sidecar(Waiting("CrashLoopBackOff"), False)], [running()], "Running"),
    ],
)
def test_phase(policy, inits, mains, expected):
    assert phase(policy, inits, mains) == expected


@pytest.mark.parametrize(
    ("record", "expected"), [(ended(0), "Succeeded"), (ended(143), "Failed"), (waiting(), "Failed")]
)
def test_a_pod_that_is_deleted_ends(record, expected):
    assert phase("Always", [], [record], ending=True) == expected


def by_type(pod, inits, mains, stage, moment=NOW):
    return {entry["type"]: entry for entry in conditions(pod, inits, mains, moment, stage)}


def test_an_unready_container_is_named():
    seen = by_type({"spec": {}}, [], [running(ready=False)], "Running")
    assert (seen["Ready"]["status"], seen["Ready"]["reason"]) == ("False", "ContainersNotReady")
    assert seen["Ready"]["message"] == "containers with unready status: [main]"


@pytest.mark.parametrize(("stage", "reason"), [("Succeeded", "PodCompleted"), ("Failed", "PodFailed")])
def test_an_ended_pod_is_not_ready_for_that_reason(stage, reason):
    assert by_type({"spec": {}}, [], [ended()], stage)["Ready"]["reason"] == reason


def test_a_sidecar_that_starts_again_leaves_the_pod_initialized():
    restarted = sidecar(Waiting("CrashLoopBackOff"), False)
    assert by_type({"spec": {}}, [restarted], [running()], "Running")["Initialized"]["status"] == "True"
    assert by_type({"spec": {}}, [restarted], [waiting()], "Pending")["Initialized"]["status"] == "False"


def test_a_transition_time_changes_with_the_status_only():
    first = conditions({"spec": {}}, [], [running()], NOW, "Running")
    pod = {"spec": {}, "status": {"conditions": first}}
    later = by_type(pod, [], [running(ready=False)], "Running", NOW + timedelta(minutes=1))
    assert later["Initialized"]["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    assert later["Ready"]["lastTransitionTime"] == "2026-01-02T03:05:05Z"


def test_a_pod_without_its_volumes_is_not_ready_to_start() -> None:
    def status(mounted: bool) -> str:
        pod_conditions = conditions({"spec": {}}, [], [waiting()], NOW, "Pending", mounted=mounted)
        return next(entry["status"] for entry in pod_conditions if entry["type"] == "PodReadyToStartContainers")

    assert (status(False), status(True)) == ("False", "True")


async def test_a_status_that_nobody_wants_any_more_is_not_waited_for() -> None:
    class Gone:
        async def patch(self, *_):
            raise ApiError(404, "not found")

    writer = StatusWriter(Gone(), PodState("127.1.0.2", NOW, [], [running()]))
    writer.pod = {"metadata": {"name": "pod", "namespace": "lab", "uid": "uid"}, "spec": {}}
    writer.changed()
    async with asyncio.timeout(5):
        await writer.run()
        writer.changed()
        await writer.flushed()


def test_a_readiness_gate_holds_ready_back():
    pod = {"spec": {"readinessGates": [{"conditionType": "gate"}]}}
    seen = by_type(pod, [], [running()], "Running")
    assert (seen["ContainersReady"]["status"], seen["Ready"]["status"]) == ("True", "False")


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
    bring_back(records, "OnFailure")
    assert isinstance(records[0].state, Waiting)
    assert (records[0].restarts, records[0].last.exit_code) == (3, 255)
    assert (records[1].restarts, records[1].state.exit_code) == (2, 0)


def test_a_new_pod_waits():
    pod = {"spec": {"containers": [{"name": "a", "image": "i"}]}}
    assert not was_started(pod)
    assert new_records(pod)[1][0].state == Waiting("ContainerCreating")
