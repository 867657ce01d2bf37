"""What the Lease of the operator says, when it is free, and how it is released."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from posefleet_operator.cluster.client import ApiError, Kind
from posefleet_operator.cluster.election import Election
from posefleet_operator.cluster.objects import Manifest
from unit.operator.builders import SETTINGS
from unit.operator.candidates import Clock, tries, two_candidates
from unit.operator.fake_cluster import FakeCluster


async def test_a_released_lease_is_free_at_once() -> None:
    _, _, first, second = two_candidates()
    await tries(first)
    await first.release()

    assert not first.leading
    assert await tries(second)


async def test_a_lease_says_who_holds_it_since_when_and_for_how_long() -> None:
    cluster, clock, first, second = two_candidates()
    await tries(first)
    acquired = dict(cluster.objects["Lease", "posefleet-operator"]["spec"])
    assert (acquired["holderIdentity"], acquired["leaseDurationSeconds"], acquired["leaseTransitions"]) == (
        "first", 10, 1,
    )  # fmt: skip
    await tries(first)
    renewed = dict(cluster.objects["Lease", "posefleet-operator"]["spec"])
    assert (renewed["acquireTime"], renewed["leaseTransitions"]) == (acquired["acquireTime"], 1)
    assert renewed["renewTime"] > acquired["renewTime"]

    await tries(second)
    clock.seconds += 11
    assert await tries(second)
    taken = cluster.objects["Lease", "posefleet-operator"]["spec"]
    assert (taken["holderIdentity"], taken["leaseTransitions"]) == ("second", 2)
    assert taken["acquireTime"] == taken["renewTime"] > renewed["acquireTime"]


async def test_a_release_leaves_the_lease_of_somebody_else_alone() -> None:
    cluster, _, first, second = two_candidates()
    await second.release()
    assert cluster.objects == {}

    await tries(first)
    cluster.objects["Lease", "posefleet-operator"]["spec"]["holderIdentity"] = "second"
    await first.release()
    assert cluster.objects["Lease", "posefleet-operator"]["spec"]["holderIdentity"] == "second"


async def test_a_release_that_fails_ends_the_lead_all_the_same() -> None:
    cluster, _, first, _ = two_candidates()
    await tries(first)
    cluster.failures = [ApiError(500, "InternalError", "no etcd")]
    await first.release()

    assert not first.leading


async def test_a_released_lease_has_no_holder_and_is_released_once() -> None:
    cluster, _, first, second = two_candidates()
    await tries(first)
    await first.release()
    assert cluster.objects["Lease", "posefleet-operator"]["spec"]["holderIdentity"] == ""

    cluster.failures = [ApiError(500, "InternalError", "nobody is to be asked")]
    await first.release()
    await second.release()
    assert len(cluster.failures) == 1


async def test_a_lease_that_is_gone_cannot_be_released() -> None:
    cluster, _, first, _ = two_candidates()
    await tries(first)
    cluster.objects.clear()
    await first.release()

    assert cluster.objects == {}


@pytest.mark.parametrize(
    ("spec", "waits"),
    [
        ({"holderIdentity": None}, 0.0),
        ({"holderIdentity": ""}, 0.0),
        ({"holderIdentity": "other", "renewTime": "then"}, 0.0),
        ({"holderIdentity": "other", "renewTime": "then", "leaseDurationSeconds": 10}, 10.0),
    ],
)
async def test_a_lease_is_free_without_a_holder_and_after_its_duration(spec: Manifest, waits: float) -> None:
    cluster, clock, first, _ = two_candidates()
    metadata = {"name": "posefleet-operator", "namespace": "default"}
    cluster.put({"kind": "Lease", "metadata": metadata, "spec": spec})
    held = bool(spec["holderIdentity"])
    assert await tries(first) is not held
    clock.seconds += waits
    if held:
        assert await tries(first) is False
        clock.seconds += 0.001
        assert await tries(first) is True


async def test_the_lease_is_an_object_that_other_tools_understand() -> None:
    cluster, _, first, _ = two_candidates()
    await tries(first)
    lease = cluster.objects["Lease", "posefleet-operator"]

    assert (lease["apiVersion"], lease["kind"]) == ("coordination.k8s.io/v1", "Lease")
    assert (lease["metadata"]["name"], lease["metadata"]["namespace"]) == ("posefleet-operator", "default")
    renewed = datetime.strptime(lease["spec"]["renewTime"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - renewed).total_seconds()) < 60


async def test_a_lease_is_read_from_the_operators_namespace() -> None:
    class NamespacedCluster(FakeCluster):
        async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
            manifest = await super().get(kind, namespace, name)
            if manifest["metadata"]["namespace"] != namespace:
                raise ApiError(404, "NotFound", "")
            return manifest

    election = Election(NamespacedCluster(), replace(SETTINGS, identity="first"), Clock())
    await tries(election)
    await election.release()
    assert await tries(election)


async def test_the_times_of_a_lease_are_utc_wherever_the_operator_runs(monkeypatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        cluster, _, first, _ = two_candidates()
        await tries(first)
        renewed = cluster.objects["Lease", "posefleet-operator"]["spec"]["renewTime"]
    finally:
        monkeypatch.undo()
        time.tzset()
    age = datetime.now(UTC) - datetime.fromisoformat(renewed)
    assert abs(age.total_seconds()) < 60


@pytest.mark.parametrize(("seconds", "written"), [(0.4, 1), (1.4, 1), (1.6, 2), (15.0, 15)])
async def test_the_duration_of_a_lease_is_written_in_whole_seconds_and_is_never_zero(
    seconds: float, written: int
) -> None:
    cluster = FakeCluster()
    await tries(Election(cluster, replace(SETTINGS, lease_seconds=seconds), Clock()))
    assert cluster.objects["Lease", "posefleet-operator"]["spec"]["leaseDurationSeconds"] == written


async def test_a_holder_that_finds_no_time_of_its_acquisition_writes_one() -> None:
    cluster, _, first, _ = two_candidates()
    await tries(first)
    spec = cluster.objects["Lease", "posefleet-operator"]["spec"]
    del spec["acquireTime"]
    await tries(first)
    renewed = cluster.objects["Lease", "posefleet-operator"]["spec"]
    assert renewed["acquireTime"] == renewed["renewTime"]
