"""The places of waiting jobs in the queues of Kueue."""

from typing import Any

import pytest

from posefleet_operator.cluster.client import ApiError
from posefleet_operator.cluster.objects import Key, Manifest
from posefleet_operator.cluster.queue_positions import QueuePositions
from unit.operator.fake_cluster import FakeCluster


def waiting(name: str, queue: str = "training", namespace: str = "mouse", **status: Any) -> Manifest:
    """A job that waits with the Job of its first attempt."""
    told = {"phase": "Queued", "attempts": [{"number": 1, "jobUid": f"uid-of-{name}"}], **status}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"queue": queue}, "status": told}


class Bench:
    def __init__(self, *jobs: Manifest) -> None:
        self.jobs, self.cluster = list(jobs), FakeCluster()
        self.enqueued: list[Key] = []
        self.positions = QueuePositions(self.cluster, lambda: self.jobs, self.enqueued.append, 15.0)

    def publish(self, queue: str, *names: str, namespace: str = "mouse") -> None:
        """Kueue says that these jobs wait, in this order. The first place is 0, and not written."""
        items: list[Manifest] = [
            {
                "metadata": {"name": name, "ownerReferences": [{"uid": f"uid-of-{name}"}]},
                "positionInClusterQueue": place,
            }
            for place, name in enumerate(names)
        ]
        for item in items[:1]:
            del item["positionInClusterQueue"]
        metadata = {"name": queue, "namespace": namespace}
        self.cluster.put({"kind": "LocalQueue", "metadata": metadata, "pendingworkloads": {"items": items}})

    async def places(self) -> dict[str, int | None]:
        self.enqueued.clear()
        await self.positions.refresh()
        return {job["metadata"]["name"]: self.positions.of(("mouse", job["metadata"]["name"])) for job in self.jobs}


async def test_places_count_from_one_and_only_jobs_that_wait_have_one() -> None:
    bench = Bench(
        waiting("first"), waiting("third"), waiting("runs", phase="Running"), waiting("young", attempts=[]),
        waiting("unseen", attempts=[{"number": 1}]), {**waiting("new"), "status": None},
    )  # fmt: skip
    bench.publish("training", "first", "foreign", "third", "runs")

    places = await bench.places()
    assert places == {"first": 1, "third": 3, "runs": None, "young": None, "unseen": None, "new": None}


async def test_a_job_is_reconciled_when_its_place_changes_and_not_before() -> None:
    bench = Bench(waiting("next"), waiting("after"))
    bench.publish("training", "next", "after")
    await bench.places()
    assert sorted(bench.enqueued) == [("mouse", "after"), ("mouse", "next")]
    await bench.places()
    assert bench.enqueued == []

    bench.publish("training", "after")
    assert await bench.places() == {"next": None, "after": 1}
    assert sorted(bench.enqueued) == [("mouse", "after"), ("mouse", "next")]


async def test_an_empty_queue_has_no_items() -> None:
    bench = Bench(waiting("next"))
    bench.cluster.put(
        {"kind": "LocalQueue", "metadata": {"name": "training", "namespace": "mouse"}, "pendingworkloads": {}}
    )
    assert await bench.places() == {"next": None}


async def test_kueue_that_publishes_nothing_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(waiting("next"))
    for _ in range(2):
        bench.cluster.failures = [ApiError(403, "Forbidden", "no right")]
        assert await bench.places() == {"next": None}
    assert [record.getMessage() for record in caplog.records] == [
        "the places of jobs in queue mouse/training are not known: 403 Forbidden: no right"
    ]
    bench.publish("training", "next")
    assert await bench.places() == {"next": 1}

    bench.cluster.failures = [ApiError(403, "Forbidden", "no right")]
    await bench.places()
    assert len(caplog.records) == 2


async def test_nothing_is_asked_where_nothing_waits() -> None:
    bench = Bench(waiting("runs", phase="Running"))
    bench.cluster.failures = [ApiError(0, "Unreachable", "nobody may ask")]
    assert await bench.places() == {"runs": None}
    assert bench.cluster.failures
