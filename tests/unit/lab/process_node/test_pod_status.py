"""Phases and conditions of pods, and the writer of their status."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from posefleet_lab.api_client import ApiError
from posefleet_lab.process_node.containers.states import (
    ContainerRecord,
    Running,
    Terminated,
    Waiting,
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


async def test_writing_the_status_ends_with_the_pod_and_holds_nothing_up() -> None:
    class ApiWithoutThePod:
        def __init__(self) -> None:
            self.paths: list[str] = []

        async def patch(self, path: str, *_: object) -> None:
            self.paths.append(path)
            raise ApiError(404, "not found")

    api = ApiWithoutThePod()
    writer = StatusWriter(api, PodState("127.1.0.2", NOW, [], [running()]))
    writer.pod = {"metadata": {"name": "pod", "namespace": "lab", "uid": "uid"}, "spec": {}}
    writer.changed()
    waiting_for_the_writer = asyncio.create_task(writer.flushed())
    await asyncio.sleep(0)
    assert not waiting_for_the_writer.done()

    async with asyncio.timeout(5):
        await writer.run()
        await waiting_for_the_writer
        writer.changed()
        await writer.flushed()

    assert api.paths == ["/api/v1/namespaces/lab/pods/pod/status"]


async def test_a_status_that_cannot_be_written_now_is_not_given_up() -> None:
    class RefusingApi:
        async def patch(self, *_: object) -> None:
            raise ApiError(403, "forbidden")

    writer = StatusWriter(RefusingApi(), PodState("127.1.0.2", NOW, [], [running()]))
    writer.pod = {"metadata": {"name": "pod", "namespace": "lab", "uid": "uid"}, "spec": {}}
    writer.changed()
    writing = asyncio.create_task(writer.run())
    await asyncio.sleep(0.01)
    still_writing = not writing.done()
    writing.cancel()
    assert still_writing


def test_a_readiness_gate_holds_ready_back():
    pod = {"spec": {"readinessGates": [{"conditionType": "gate"}]}}
    seen = by_type(pod, [], [running()], "Running")
    assert (seen["ContainersReady"]["status"], seen["Ready"]["status"]) == ("True", "False")
