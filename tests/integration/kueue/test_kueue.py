"""Jobs in the queues of the real Kueue, with the two groups of ``examples/kueue/two-groups.yaml``.

Each group owns two GPUs of each model, and may borrow the two of the other group.
"""

import pytest

from integration.kueue.lab import A100, H100, Group, Lab
from support.operator_process import OperatorProcess
from support.waiting import wait_for

#: Kueue is built once, which takes up to 20 minutes.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

BOOST = "kueue.x-k8s.io/priority-boost"
PREEMPTED_ONCE = [("Preempted", "QueuePreempted"), ("", "")]
URGENT = {"priorityClassName": "urgent"}


def restart(operator: OperatorProcess) -> None:
    """Kill the operator, as a node does that fails, and start it again."""
    operator.kill()
    operator.start()


def queued(group: Group, name: str) -> bool:
    return bool(group.status(name).get("phase") == "Queued")


def outcomes(group: Group, name: str) -> list[tuple[str, str]]:
    return [(a.get("outcome", ""), a.get("reason", "")) for a in group.status(name)["attempts"]]


def test_a_gang_waits_and_is_admitted_as_a_whole(lab: Lab, operator: OperatorProcess) -> None:
    lab.mouse.submit("first", gpus=3)
    lab.mouse.wait_until_running("first")
    lab.mouse.submit("gang", nodes=2)
    lab.mouse.wait_for_phase("gang", "Queued")
    restart(operator)
    # One GPU is free, so that one pod of the two could start.
    job = lab.mouse.batch.read_namespaced_job("gang-a1", "mouse")
    assert job.spec.suspend
    assert lab.mouse.pods("gang", 1) == []

    lab.mouse.finish("first")
    lab.mouse.wait_until_running("gang")
    assert len(lab.mouse.pods("gang", 1)) == 2


def test_a_group_borrows_what_is_idle_and_gives_it_back(lab: Lab, operator: OperatorProcess) -> None:
    lab.mouse.submit("borrower", {"1": {"checkpoint": 70}, "2": {"start": 70}}, gpus=3)
    lab.mouse.wait_until_running("borrower")
    lab.fly.submit("owner", gpus=2)
    lab.fly.wait_until_running("owner")
    lab.mouse.wait_for_phase("borrower", "Queued")
    restart(operator)

    wait_for("the next attempt", lambda: outcomes(lab.mouse, "borrower") == PREEMPTED_ONCE)
    lab.fly.finish("owner")
    status = lab.mouse.wait_until_running("borrower", attempt=2)
    assert status.get("failedAttempts", 0) == 0
    assert (status["preemptedAttempts"], status["lastCheckpoint"]["step"]) == (1, 70)


def test_a_job_survives_that_its_preempted_pods_linger(lab: Lab, operator: OperatorProcess) -> None:
    """As on a real node, where a pod that has ended with 75 stays for seconds until its volumes are unmounted."""
    mouse = lab.mouse
    mouse.submit("lingers", {"1": {"checkpoint": 70, "stopping": 3}}, gpus=3)
    mouse.wait_until_running("lingers")
    (pod,) = mouse.gang("lingers")
    with mouse.held(pod.metadata.name):
        lab.fly.submit("owner", gpus=2)
        wait_for("the pod to be asked to end", lambda: mouse.child_job("lingers-a1").status.terminating == 1)
        wait_for("the pod to end", lambda: mouse.gang("lingers")[0].status.phase == "Failed")
        wait_for("the Job controller to see its end", lambda: mouse.child_job("lingers-a1").status.terminating == 0)
        job = mouse.child_job("lingers-a1")
        assert (job.spec.suspend, [c.type for c in job.status.conditions]) == (True, ["Suspended"])
        assert len(mouse.status("lingers")["attempts"]) == 1

    wait_for("the next attempt", lambda: outcomes(mouse, "lingers") == PREEMPTED_ONCE)
    assert [a["jobUid"] for a in mouse.status("lingers")["attempts"]] == [job.metadata.uid] * 2
    assert mouse.status("lingers")["lastCheckpoint"]["step"] == 70


def test_a_higher_priority_preempts_a_job_which_keeps_its_place_in_line(lab: Lab, operator: OperatorProcess) -> None:
    mouse = lab.mouse
    lab.fly.submit("busy", gpus=2)
    lab.fly.wait_until_running("busy")
    mouse.submit("long", {"1": {"checkpoint": 40}, "2": {"start": 40}}, gpus=2, failurePolicy={"maxFailures": 1})
    mouse.wait_until_running("long")
    workload = mouse.workloads()[0]["metadata"]
    mouse.submit("later", gpus=2)
    mouse.wait_for_phase("later", "Queued")
    mouse.submit("deadline", gpus=2, pod=URGENT)
    mouse.wait_for_phase("long", "Queued")
    restart(operator)
    mouse.wait_until_running("deadline")

    wait_for("the next attempt", lambda: outcomes(mouse, "long") == PREEMPTED_ONCE)
    status = mouse.status("long")
    assert (status.get("failedAttempts", 0), status["lastCheckpoint"]["step"]) == (0, 40)
    assert workload["uid"] in {each["metadata"]["uid"] for each in mouse.workloads()}
    restart(operator)

    mouse.finish("deadline")
    status = mouse.wait_until_running("long", attempt=2)
    assert queued(mouse, "later")
    wait_for("the step from which it resumed", lambda: mouse.status("long")["attempts"][1].get("startStep") == 40)


def test_a_flavor_decides_the_model_and_nobody_undoes_it(lab: Lab, operator: OperatorProcess) -> None:
    lab.mouse.submit("fills", gpus=4, model=A100)
    lab.mouse.wait_until_running("fills")
    lab.mouse.submit("any", gpus=2, model="")
    lab.mouse.wait_until_running("any")
    restart(operator)
    operator.wait_until_leading()
    (pod,) = lab.mouse.pods("any", 1)

    assert pod.spec.node_selector == {"nvidia.com/gpu.product": H100}
    assert pod.spec.node_name == "lab-node-1"
    template = lab.mouse.batch.read_namespaced_job("any-a1", "mouse").spec.template.spec
    assert template.node_selector == {"nvidia.com/gpu.product": H100}
    assert ("nvidia.com/gpu", "Exists") in {(t.key, t.operator) for t in template.tolerations}
    assert lab.mouse.status("any")["phase"] == "Running"


def test_a_job_is_deleted_while_it_waits(lab: Lab, operator: OperatorProcess) -> None:
    lab.mouse.submit("first", gpus=4)
    lab.mouse.wait_until_running("first")
    lab.mouse.submit("unwanted", gpus=4)
    lab.mouse.wait_for_phase("unwanted", "Queued")
    lab.mouse.finish("unwanted")

    wait_for("Kueue to forget it", lambda: len(lab.mouse.workloads()) == 1)
    assert lab.mouse.status("first")["phase"] == "Running"


def test_the_table_shows_the_place_in_line(lab: Lab, operator: OperatorProcess) -> None:
    lab.mouse.submit("runs", gpus=4)
    lab.mouse.wait_until_running("runs")
    for place, name in enumerate(("next", "after"), 1):
        lab.mouse.submit(name, gpus=4)
        wait_for(f"place {place}", lambda: lab.mouse.status(name).get("queuePosition") == str(place))  # noqa: B023

    head, *rows = lab.mouse.kubectl("get", "ptj").splitlines()
    column = head.index("QUEUE-POS")
    assert {row.split()[0]: row[column:].split(" ")[0] for row in rows} == {"runs": "", "next": "1", "after": "2"}

    lab.mouse.finish("next")
    wait_for("the line to move up", lambda: lab.mouse.status("after").get("queuePosition") == "1")
    lab.mouse.finish("runs")
    lab.mouse.wait_until_running("after")
    assert lab.mouse.status("after").get("queuePosition", "") == ""


def test_of_two_equal_jobs_the_one_that_loses_least_is_preempted(lab: Lab, operator: OperatorProcess) -> None:
    lab.fly.submit("busy", gpus=2)
    lab.fly.wait_until_running("busy")
    # Left to itself, Kueue preempts the job that it admitted last, which here loses more.
    lab.mouse.submit("fresh", {"1": {"saves": True}})
    lab.mouse.wait_until_running("fresh")
    lab.mouse.submit("stale")
    lab.mouse.wait_until_running("stale")
    wait_for("the boost of the job that saves nothing", lambda: boosts(lab.mouse).get("stale", 0) >= 1)
    assert boosts(lab.mouse).get("fresh", 0) == 0

    lab.mouse.submit("deadline", pod=URGENT)
    lab.mouse.wait_until_running("deadline")
    wait_for("the next attempt", lambda: outcomes(lab.mouse, "fresh") == PREEMPTED_ONCE)
    assert outcomes(lab.mouse, "stale") == [("", "")]


def boosts(group: Group) -> dict[str, int]:
    """What Kueue adds to the priority of each job."""
    return {
        workload["metadata"]["ownerReferences"][0]["name"].rpartition("-a")[0]: int(value)
        for workload in group.workloads()
        if (value := workload["metadata"].get("annotations", {}).get(BOOST))
    }
