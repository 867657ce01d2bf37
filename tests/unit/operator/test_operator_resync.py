"""What is compared with the cluster, and what happens to namespaces that cannot be read."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from posefleet_api.constants import KIND
from posefleet_operator.cluster import resync as resync_module
from posefleet_operator.cluster.cache import Cache
from posefleet_operator.cluster.client import ApiError, Kind
from posefleet_operator.cluster.handlers import WatchEnded
from posefleet_operator.cluster.objects import Key, Manifest
from posefleet_operator.cluster.resync import Resync
from unit.operator.builders import SETTINGS, a_job, a_pod

MICE, FLIES = ("mice", "reaching"), ("flies", "reaching")


class Namespaces:
    """An API server that has one running job in each namespace, and refuses to read some."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.asked = asyncio.Event()

    async def pages(self, kind: Kind, namespace: str, selector: str = "") -> AsyncIterator[tuple[list[Manifest], int]]:
        self.asked.set()
        if namespace in self.refused:
            raise ApiError(403, "Forbidden", f"cannot list {kind.plural} in {namespace}")
        job = a_job().running_attempt(1)
        of_kind = {KIND: job.manifest(), "Job": job.attempt_manifest(1), "Pod": a_pod(job).running().manifest}
        manifest = of_kind[kind.kind]
        yield [{**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}], 9


def a_resync() -> tuple[Resync, Namespaces, Cache]:
    cluster, cache = Namespaces(), Cache()
    given: Any = cluster
    return Resync(given, cache, replace(SETTINGS, namespaces=("mice", "flies"))), cluster, cache


async def test_a_namespace_that_cannot_be_read_costs_itself_alone(caplog) -> None:
    resync, cluster, cache = a_resync()
    await resync.initial_list()
    cluster.refused = {"flies"}

    assert await resync.relist() == {FLIES}
    await resync.relist()
    assert set(cache.training_jobs) == {MICE}
    assert resync.readable == ("mice",)
    assert caplog.text.count("namespace flies is not served until it can be read") == 1


async def test_a_namespace_that_is_back_is_served_again_with_its_children(caplog) -> None:
    caplog.set_level(logging.INFO)
    resync, cluster, cache = a_resync()
    cluster.refused = {"flies"}
    await resync.initial_list()
    cluster.refused = set()

    assert await resync.relist() == {FLIES}
    assert set(cache.training_jobs) == {MICE, FLIES}
    assert len(cache.child_jobs.of(FLIES)) == len(cache.pods.of(FLIES)) == 1
    assert resync.readable == ("mice", "flies")
    assert "namespace flies can be read again" in caplog.text


async def test_children_of_a_namespace_that_cannot_be_read_are_not_taken_for_deleted() -> None:
    resync, cluster, cache = a_resync()
    await resync.initial_list()
    cluster.refused = {"flies"}
    await resync.relist()

    assert [pod.gone for pod in cache.pods.of(FLIES)] == [False]
    assert len(cache.child_jobs.of(FLIES)) == 1


async def test_an_operator_that_may_read_nothing_forgets_nothing_and_complains() -> None:
    resync, cluster, cache = a_resync()
    await resync.initial_list()
    cluster.refused = {"mice", "flies"}
    with pytest.raises(ApiError):
        await resync.relist()

    assert set(cache.training_jobs) == {MICE, FLIES}


async def watching_until(ended: asyncio.Event) -> None:
    await ended.wait()
    raise WatchEnded("403")


async def test_a_watch_that_a_namespace_ended_is_to_begin_anew_with_the_others() -> None:
    resync, cluster, _ = a_resync()
    await resync.initial_list()
    ended, woken = asyncio.Event(), set[Key]()
    comparing = asyncio.create_task(resync.run(asyncio.create_task(watching_until(ended)), woken.add))
    cluster.refused = {"flies"}
    ended.set()
    async with asyncio.timeout(5):
        await comparing

    assert resync.readable == ("mice",)
    assert woken == {FLIES}


async def test_a_watch_that_ended_for_another_reason_ends_the_comparison() -> None:
    resync, _, _ = a_resync()
    await resync.initial_list()
    ended = asyncio.Event()
    ended.set()
    with pytest.raises(WatchEnded):
        async with asyncio.timeout(5):
            await resync.run(asyncio.create_task(watching_until(ended)), lambda _: None)


async def test_a_namespace_that_is_back_is_found_by_itself(monkeypatch) -> None:
    monkeypatch.setattr(resync_module, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(resync_module, "_REFUSED_PAUSE_SECONDS", 0.01)
    resync, cluster, _ = a_resync()
    cluster.refused = {"flies"}
    await resync.initial_list()
    watching = asyncio.create_task(watching_until(asyncio.Event()))
    comparing = asyncio.create_task(resync.run(watching, lambda _: None))
    for _ in range(3):
        cluster.asked.clear()
        await cluster.asked.wait()
    assert not comparing.done()
    cluster.refused = set()
    async with asyncio.timeout(5):
        await comparing
    watching.cancel()

    assert resync.readable == ("mice", "flies")
