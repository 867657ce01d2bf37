"""Who may act, and who may not."""

from dataclasses import replace

import pytest

from posefleet_operator.cluster.client import ApiError
from posefleet_operator.cluster.election import Election, NotLeading
from unit.operator.builders import SETTINGS
from unit.operator.fake_cluster import FakeCluster


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def two_candidates() -> tuple[FakeCluster, Clock, Election, Election]:
    cluster, clock = FakeCluster(), Clock()
    first, second = (Election(cluster, replace(SETTINGS, identity=name), clock) for name in ("first", "second"))
    return cluster, clock, first, second


async def tries(election: Election) -> bool:
    return await election._try()


async def test_the_first_to_ask_leads_alone() -> None:
    _, _, first, second = two_candidates()

    assert await tries(first)
    assert not await tries(second)
    assert first.leading
    with pytest.raises(NotLeading):
        second.require()


async def test_a_rival_waits_for_the_whole_lease_since_the_last_sign_of_life() -> None:
    _, clock, first, second = two_candidates()
    await tries(first)
    await tries(second)
    clock.seconds += 9
    assert not await tries(second)
    clock.seconds += 2
    assert await tries(second)


async def test_a_leader_that_renews_keeps_the_lease() -> None:
    cluster, clock, first, second = two_candidates()
    for _ in range(10):
        assert await tries(first)
        cluster.objects["Lease", "posefleet-operator"]["spec"]["renewTime"] = str(clock.seconds)
        assert not await tries(second)
        clock.seconds += 4


async def test_two_never_lead_at_the_same_time() -> None:
    cluster, clock, first, second = two_candidates()
    await tries(first)
    await tries(second)
    for _ in range(200):
        clock.seconds += 0.1
        cluster.failures = [ApiError(0, "Unreachable", "")]
        await tries(first)
        await tries(second)
        assert not (first.leading and second.leading)
    assert second.leading


async def test_a_leader_that_cannot_renew_stops_by_itself() -> None:
    cluster, clock, first, _ = two_candidates()
    await tries(first)
    clock.seconds += 8.1
    cluster.failures = [ApiError(0, "Unreachable", "")]
    await tries(first)

    assert not first.leading


async def test_a_released_lease_is_free_at_once() -> None:
    _, _, first, second = two_candidates()
    await tries(first)
    await first.release()

    assert not first.leading
    assert await tries(second)


async def test_a_lost_race_is_no_lead() -> None:
    cluster, _, first, _ = two_candidates()
    cluster.failures = [ApiError(404, "NotFound", ""), ApiError(409, "AlreadyExists", "")]

    assert not await tries(first)
    assert not first.leading
