"""Who may act, and who may not."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from posefleet_operator.cluster import election as election_module
from posefleet_operator.cluster.client import ApiError, Kind
from posefleet_operator.cluster.election import Election, NotLeading
from posefleet_operator.cluster.objects import Manifest
from unit.operator.builders import SETTINGS
from unit.operator.candidates import Clock, tries, two_candidates
from unit.operator.fake_cluster import FakeCluster


async def test_the_first_to_ask_leads_alone() -> None:
    _, _, first, second = two_candidates()

    assert await tries(first)
    assert not await tries(second)
    assert first.leading
    with pytest.raises(NotLeading):
        second.seconds_left()


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


async def test_a_lost_race_is_no_lead() -> None:
    cluster, _, first, _ = two_candidates()
    cluster.failures = [ApiError(404, "NotFound", ""), ApiError(409, "AlreadyExists", "")]

    assert not await tries(first)
    assert not first.leading


class SlowCluster(FakeCluster):
    """An API server that takes some time to answer a write."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock, self.seconds = clock, 0.0

    async def replace(self, kind: Kind, manifest: Manifest) -> Manifest:
        self.clock.seconds += self.seconds
        return await super().replace(kind, manifest)

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        self.clock.seconds += self.seconds
        return await super().create(kind, manifest)


@pytest.mark.parametrize("renewals", [0, 1])
async def test_a_lease_counts_from_when_it_was_asked_for_and_not_from_the_answer(renewals: int) -> None:
    clock = Clock()
    cluster = SlowCluster(clock)
    election = Election(cluster, replace(SETTINGS, identity="first"), clock)
    for _ in range(renewals):
        await tries(election)
    cluster.seconds, sent_at = 3.0, clock.seconds
    assert await tries(election)

    clock.seconds = sent_at + 7.9
    assert election.leading
    clock.seconds = sent_at + 8.0
    assert not election.leading


async def test_a_slow_leader_and_its_rival_never_lead_at_the_same_time() -> None:
    clock = Clock()
    cluster = SlowCluster(clock)
    first, second = (Election(cluster, replace(SETTINGS, identity=name), clock) for name in ("first", "second"))
    cluster.seconds = 3.0
    await tries(first)
    cluster.seconds = 0.0
    assert not await tries(second)
    for _ in range(200):
        clock.seconds += 0.1
        await tries(second)
        assert not (first.leading and second.leading)
    assert second.leading


async def test_a_lease_that_somebody_else_holds_is_lost_at_once() -> None:
    cluster, clock, first, _ = two_candidates()
    await tries(first)
    cluster.objects["Lease", "posefleet-operator"]["spec"] |= {"holderIdentity": "second", "renewTime": "later"}
    clock.seconds += 1

    assert not await tries(first)
    assert not first.leading
    with pytest.raises(NotLeading):
        first.seconds_left()


async def test_an_error_of_the_api_server_other_than_not_found_creates_no_lease() -> None:
    cluster, _, first, _ = two_candidates()
    cluster.failures = [ApiError(500, "InternalError", "no etcd")]

    assert not await tries(first)
    assert cluster.objects == {}


async def test_an_answer_that_takes_too_long_is_given_up() -> None:
    class StuckCluster(FakeCluster):
        async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
            await asyncio.sleep(60)
            raise AssertionError

    election = Election(StuckCluster(), replace(SETTINGS, lease_seconds=0.1), Clock())
    async with asyncio.timeout(5):
        assert not await tries(election)


class Sleeps:
    """In the place of ``asyncio.sleep``: lets a clock run, and does something on the way."""

    def __init__(self, clock: Clock, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.clock, self.meanwhile, self.seconds = clock, meanwhile, list[float]()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.clock.seconds += seconds
        self.meanwhile()


async def test_a_candidate_asks_again_every_fifth_of_the_lease_until_it_has_it(monkeypatch) -> None:
    _, clock, first, second = two_candidates()
    await first.acquire()
    sleeps = Sleeps(clock)
    monkeypatch.setattr(election_module.asyncio, "sleep", sleeps)
    await second.acquire()

    assert second.leading
    assert sleeps.seconds == [2.0] * 6  # 12 s: the first time at which more than 10 s have passed


async def test_a_leader_renews_every_fifth_of_the_lease_until_somebody_else_has_it(monkeypatch) -> None:
    cluster, clock, first, _ = two_candidates()
    await first.acquire()

    def interfere() -> None:
        if clock.seconds > 1030:
            cluster.objects["Lease", "posefleet-operator"]["spec"]["holderIdentity"] = "second"

    sleeps = Sleeps(clock, interfere)
    monkeypatch.setattr(election_module.asyncio, "sleep", sleeps)
    await first.renew_until_lost()

    assert sleeps.seconds == [2.0] * 16
    assert not first.leading


async def test_a_request_may_take_two_fifths_of_the_lease(monkeypatch) -> None:
    limits = []

    def timeout(seconds: float) -> AbstractAsyncContextManager[None]:
        limits.append(seconds)
        return nullcontext()

    _, _, first, _ = two_candidates()
    monkeypatch.setattr(election_module.asyncio, "timeout", timeout)
    await tries(first)
    assert limits == [pytest.approx(4.0)]


async def test_a_leader_knows_for_how_long_it_may_write() -> None:
    _, clock, first, _ = two_candidates()
    await tries(first)
    assert first.seconds_left() == 8.0
    clock.seconds += 7.5
    assert first.seconds_left() == 0.5
    clock.seconds += 0.5
    with pytest.raises(NotLeading):
        first.seconds_left()


async def test_the_same_failure_is_logged_once_until_the_lease_is_written_again(caplog) -> None:
    cluster, _, first, _ = two_candidates()
    down, stuck = ApiError(500, "InternalError", "no etcd"), TimeoutError()
    for error in (down, down, stuck, stuck, None, stuck):
        cluster.failures = [error] if error is not None else []
        await tries(first)

    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == [f"cannot acquire the lease: {text}" for text in (down, *["no answer in time"] * 2)]


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ApiError(409, "Conflict", ""), logging.DEBUG),
        (ApiError(410, "Gone", ""), logging.WARNING),
        (TimeoutError(), logging.WARNING),
    ],
)
async def test_a_lost_race_is_no_reason_to_complain(error: Any, level: int, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    cluster, _, first, _ = two_candidates()
    cluster.failures = [error]

    assert await tries(first) is False
    assert [record.levelno for record in caplog.records] == [level]
