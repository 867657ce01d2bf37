"""Writing a boost of the priority on the Workload of a Job."""

import pytest

from posefleet_operator.cluster.client import WORKLOAD, ApiError
from posefleet_operator.cluster.election import NotLeading
from posefleet_operator.cluster.objects import Manifest
from posefleet_operator.plan import Plan, PriorityBoost
from unit.operator.builders import NOW, a_job
from unit.operator.executor_bench import Bench


def a_workload(name: str, job_uid: str, **annotations: str) -> Manifest:
    labels = {"kueue.x-k8s.io/job-uid": job_uid}
    metadata = {"name": name, "namespace": "lab", "labels": labels, "annotations": annotations}
    return {"apiVersion": WORKLOAD.api_version, "kind": WORKLOAD.kind, "metadata": metadata}


def annotations_of(bench: Bench, workload: str) -> Manifest:
    found: Manifest = bench.cluster.objects["Workload", workload]["metadata"]["annotations"]
    return found


async def boost(bench: Bench, value: int) -> None:
    seen = bench.seen()
    plan = Plan(seen.status, NOW, 1, boost=PriorityBoost("uid-of-reaching-a1", value))
    await bench.executor.execute(seen, plan, write_status=False)


async def test_a_boost_is_written_on_the_workload_of_the_job_and_taken_away() -> None:
    bench = Bench(a_job())
    bench.cluster.put(a_workload("mine", "uid-of-reaching-a1", kept="yes"))
    bench.cluster.put(a_workload("other", "uid-of-another"))
    await boost(bench, 3)
    assert annotations_of(bench, "mine") == {"kept": "yes", "kueue.x-k8s.io/priority-boost": "3"}
    assert annotations_of(bench, "other") == {}

    await boost(bench, 0)
    assert annotations_of(bench, "mine") == {"kept": "yes"}


@pytest.mark.parametrize("status", [403, 404])
async def test_a_job_goes_on_where_its_workload_cannot_be_written(status: int) -> None:
    bench = Bench(a_job())
    bench.cluster.failures = [ApiError(status, "", "no")]
    await boost(bench, 3)
    assert bench.cluster.writes == []


async def test_a_boost_that_fails_for_now_is_tried_again() -> None:
    bench = Bench(a_job())
    bench.cluster.failures = [ApiError(0, "Unreachable", "no")]
    with pytest.raises(ApiError):
        await boost(bench, 3)


async def test_a_boost_is_written_by_the_leader_alone() -> None:
    bench = Bench(a_job())
    bench.cluster.put(a_workload("mine", "uid-of-reaching-a1"))
    bench.leads = False
    with pytest.raises(NotLeading):
        await boost(bench, 3)
    assert bench.cluster.writes == []
